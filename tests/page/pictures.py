"""Makes the pictures of the dashboard that the docs show: `make pictures`.

A throwaway stack works on made-up files, and a real Chromium looks at it: light, dark and on a phone.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from playwright.async_api import Browser, Page

from local.chromium import MISSING, find_chromium, running_chromium
from tests.system import System, running_system

DOCS: Final = Path(__file__).parents[2] / "docs"
_GROUND: Final = """\
case $INPUT_BLOB in \
  *77*) echo \\"error: tile_0477.laz: the header is truncated\\" >&2; exit 2;; \
  *_049*) sleep 300;; \
esac; sleep 1.$RANDOM; echo 48213 points are ground"""
_ROUTES: Final = """
[[routes]]
name = "ground-filter"
match = "survey/**"
command = "/bin/bash -c '{ground}'"

[[routes]]
name = "thumbnails"
match = "photos/**"
pool = "photos"
command = "/bin/bash -c 'sleep 0.$RANDOM; cp \\"$INPUT_FILE\\" small.jpg'"
outputs = ["*.jpg"]

[[routes]]
name = "night-shift"
match = "archive/**"
command = "/bin/true"

[pools.photos]
scale = {{ min = 0, max = 4, spot = 0.5 }}
slots_per_node = 2
"""
_FILES: Final = [
    *(f"survey/2026/tile_{number:04}.laz" for number in range(478, 496)),
    *(f"photos/IMG_{number}.jpg" for number in range(2200, 2214)),
    "archive/ledger-1.csv",
    *(f"survey/2026/tile_{number:04}.laz" for number in range(472, 478)),
    "photos/IMG_2214.jpg",
]
_FAILED: Final = "tile_0477.laz"
#: Files whose command takes minutes.
_AT_WORK: Final = sum("_049" in name for name in _FILES)
_DESK, _PHONE = (1440, 900), (390, 844)


async def _work(system: System) -> None:
    """Drop the files, some of a paused route, and wait until what can end has ended."""
    await system.post({"route": "night-shift"}, "pause")
    for name in _FILES:
        await system.drop(name, b"x" * 1200)
        await asyncio.sleep(0.1)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        _, summary = await system.get("summary")
        work, ended = summary["open"], (summary["today"] or {}).get("states", {})
        if sum(ended.values()) >= len(_FILES) - _AT_WORK - 1 and work["submitted"] <= _AT_WORK:
            return
        await asyncio.sleep(0.5)
    raise SystemExit("the files did not end within a minute")


async def _picture(browser: Browser, url: str, name: str, scheme: str, size: tuple[int, int]) -> None:
    width, height = size
    context = await browser.new_context(
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
        viewport={"width": width, "height": height},
        timezone_id="UTC",
        locale="en-GB",
    )
    page: Page = await context.new_page()
    await page.goto(url)
    await page.locator("#freshness.fresh").wait_for()
    await page.locator("#rows tr").first.wait_for()
    if size == _DESK:
        await page.locator("#rows tr", has_text=_FAILED).click()
        await page.locator("pre.output").wait_for()
        await page.evaluate("scrollTo(0, 0)")
    await page.screenshot(path=DOCS / f"dashboard-{name}.png")
    await context.close()


async def _make(program: str) -> None:
    with tempfile.TemporaryDirectory(prefix="local-demo-") as folder:
        routes = Path(folder) / "own-routes.toml"
        routes.write_text(_ROUTES.format(ground=_GROUND))
        schedules = {"COLLECT_SCHEDULE": "* * * * * *", "SCALE_SCHEDULE": "*/2 * * * * *"}
        settings = {"ROUTES_FILE": str(routes), "POOL_TASK_SLOTS_PER_NODE": "4", **schedules}
        async with running_system(Path(folder), **settings) as system, running_chromium(program) as browser:
            await _work(system)
            url = f"{system.url}/api/dashboard"
            for name, scheme, size in (
                ("light", "light", _DESK),
                ("dark", "dark", _DESK),
                ("phone", "light", _PHONE),
            ):
                await _picture(browser, url, name, scheme, size)
                sys.stdout.write(f"docs/dashboard-{name}.png\n")


def main() -> None:
    program = find_chromium()
    if program is None:
        sys.exit(MISSING)
    asyncio.run(_make(program))


if __name__ == "__main__":
    main()
