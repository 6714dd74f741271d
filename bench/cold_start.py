"""Compare the import of the app with that of the SDKs that it uses: what a Functions worker waits for at a cold start.

    .venv/bin/python bench/cold_start.py [--rounds 15]

Both are imported in processes of their own, taking turns; the least time of each counts, less that of an empty process.
The ratio should stay at 1.3 or less.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

CHECKOUT: Final = Path(__file__).parents[1]
SDKS: Final = """
import azure.functions
import azurefunctions.extensions.bindings.blob
import azure.batch.aio
import azure.data.tables.aio
import azure.identity.aio
import azure.storage.blob.aio
import aiohttp
import isodate
"""
APP: Final = "import function_app"
ROUTES: Final = f"{APP}\nimport batch_core.config.routes_file"
PROGRAMS: Final = {"nothing": "pass", "the SDKs": SDKS, "the app": APP, "the app, with routes": ROUTES}


def seconds(program: str) -> float:
    """Return how long a process takes that does this and ends."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, check=True)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    times: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for _ in range(rounds):
        for name, program in PROGRAMS.items():
            times[name].append(seconds(program))
    empty = min(times["nothing"])
    least = {name: min(each) - empty for name, each in times.items()}
    for name in list(PROGRAMS)[1:]:
        ratio = least[name] / least["the SDKs"]
        print(f"{name:<22} {1000 * least[name]:6.0f} ms   {ratio:5.2f} of the SDKs")


if __name__ == "__main__":
    main()
