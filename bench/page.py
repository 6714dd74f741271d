"""How fluent the dashboard is when the table holds little, and when it holds much.

    .venv/bin/python bench/page.py [--records 100 10000]

For each size a throwaway stack with a table of its own, filled with records that have ended, and a real Chromium that
looks at it. Printed are the milliseconds until the first rows, until a filter shows, and until 1,000 rows are shown (or
all there are); and with these, while the page goes on asking and somebody scrolls: the longest time between two frames,
and the longest task of the page's thread.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from playwright.async_api import Browser, Page, expect

CHECKOUT: Final = Path(__file__).parents[1]
sys.path.insert(0, str(CHECKOUT))

from listing import fill  # noqa: E402 - a script finds the project's packages only now

from batch_core.app import open_app  # noqa: E402
from local import stack  # noqa: E402
from local.chromium import MISSING, find_chromium, running_chromium  # noqa: E402
from local.functions_host import HostKind  # noqa: E402
from local.stack import Plan  # noqa: E402

#: As many rows as the page shows.
MOST_ROWS: Final = 1000
PATIENCE: Final = 60_000

#: Notes frames and long tasks (https://w3c.github.io/longtasks/: of 50 ms and more) while the page is scrolled.
WATCH: Final = """async seconds => {
    const tasks = [], frames = [];
    const observer = new PerformanceObserver(list => tasks.push(...list.getEntries().map(one => one.duration)));
    observer.observe({ entryTypes: ["longtask"] });
    const end = performance.now() + 1000 * seconds;
    let last = performance.now(), way = 1;
    await new Promise(done => requestAnimationFrame(function frame(now) {
        frames.push(now - last);
        last = now;
        if (scrollY + innerHeight >= document.documentElement.scrollHeight) way = -1;
        if (scrollY === 0) way = 1;
        scrollBy(0, 60 * way);
        now < end ? requestAnimationFrame(frame) : done();
    }));
    observer.disconnect();
    return { frame: Math.max(...frames.slice(2)), task: Math.max(0, ...tasks), frames: frames.length };
}"""


@dataclass(frozen=True, kw_only=True)
class Fluency:
    """Of one size, in milliseconds, but for the rows that are shown in the end and the frames of ten seconds."""

    first_rows: float
    filtered: float
    all_rows: float
    rows: int
    longest_frame: float
    longest_task: float
    frames: int


async def fluency(browser: Browser, url: str, records: int) -> Fluency:
    page = await browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(PATIENCE)
    rows = page.locator("#rows tr")
    began = time.perf_counter()
    await page.goto(url)
    await rows.first.wait_for()
    first = 1000 * (time.perf_counter() - began)
    filtered = await _filtered(page)
    began = time.perf_counter()
    wanted = min(MOST_ROWS, records)
    while (count := await rows.count()) < wanted:
        await page.locator("#more").click()
        await expect(rows).not_to_have_count(count, timeout=PATIENCE)
    shown = 1000 * (time.perf_counter() - began)
    seen = await page.evaluate(WATCH, 10)
    await page.close()
    return Fluency(
        first_rows=first,
        filtered=filtered,
        all_rows=shown,
        rows=count,
        longest_frame=seen["frame"],
        longest_task=seen["task"],
        frames=seen["frames"],
    )


async def _filtered(page: Page) -> float:
    """Show what failed, then everything again; return how long the first of these took."""
    began = time.perf_counter()
    await page.locator("#state").select_option("failed")
    await page.locator("#tasks:not(.loading)").wait_for()
    took = 1000 * (time.perf_counter() - began)
    await page.locator("#state").select_option("")
    await page.locator("#tasks:not(.loading)").wait_for()
    return took


async def measure(sizes: Sequence[int], program: str) -> None:
    found = []
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="bench-page-") as folder:
            plan = Plan.throwaway(Path(folder), HostKind.EMBEDDED)
            async with stack.running(plan, lambda _: None) as running, running_chromium(program) as browser:
                app = open_app(plan.settings.validated())
                await fill(app, size)
                await app.clients.close()
                found.append(await fluency(browser, running.dashboard, size))
    show(sizes, found)


def show(sizes: Sequence[int], found: Sequence[Fluency]) -> None:
    print(f"{'':34}" + "".join(f"{f'{size:,} records':>16}" for size in sizes))
    for name, words in (
        ("first_rows", "until the first rows, ms"),
        ("filtered", "until a filter shows, ms"),
        ("all_rows", "until all rows are shown, ms"),
        ("rows", "rows"),
        ("longest_frame", "longest frame while scrolling, ms"),
        ("longest_task", "longest task of the thread, ms"),
        ("frames", "frames in ten seconds"),
    ):
        print(f"{words:34}" + "".join(f"{getattr(one, name):>16,.0f}" for one in found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, nargs="+", default=[100, 10_000])
    arguments = parser.parse_args()
    program = find_chromium()
    if program is None:
        sys.exit(MISSING)
    asyncio.run(measure(arguments.records, program))


if __name__ == "__main__":
    main()
