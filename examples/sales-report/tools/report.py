"""Sum sales by month: prints a table, writes report.json and chart.svg beside it. Standard library only."""

import csv
import json
import os
from collections import defaultdict
from pathlib import Path

HEIGHT = 100
WIDTH = 40


def main() -> None:
    by_month: defaultdict[str, float] = defaultdict(float)
    with Path(os.environ["INPUT_FILE"]).open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            by_month[row["date"][:7]] += float(row["amount"])
    months = dict(sorted(by_month.items()))
    for month, amount in months.items():
        print(f"{month} {amount:10.2f}")
    Path("report.json").write_text(json.dumps(months, indent=2), encoding="utf-8")
    Path("chart.svg").write_text(chart(months), encoding="utf-8")


def chart(months: dict[str, float]) -> str:
    most = max(months.values(), default=1) or 1
    bars = []
    for place, (month, amount) in enumerate(months.items()):
        height = HEIGHT * amount / most
        place_and_size = f'x="{place * WIDTH}" y="{HEIGHT - height:.1f}" width="{WIDTH - 4}" height="{height:.1f}"'
        bars.append(f"<rect {place_and_size}><title>{month}</title></rect>")
    size = f'width="{WIDTH * len(months)}" height="{HEIGHT}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} fill="steelblue">{"".join(bars)}</svg>'


if __name__ == "__main__":
    main()
