"""The Chromium of this machine, for tests, benchmarks and the pictures of the docs."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from playwright.async_api import Browser, async_playwright

MISSING: Final = "there is no Chromium on this machine: `apt-get install chromium` brings one"
_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "chrome")
#: Nothing of a browser's own is to be fetched, and root has no sandbox.
_ARGUMENTS: Final = [
    *("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
    *(["--no-sandbox"] if os.geteuid() == 0 else []),
]


def find_chromium() -> str | None:
    """Return the path of a Chromium, or None."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


@asynccontextmanager
async def running_chromium(program: str) -> AsyncIterator[Browser]:
    """Run a Chromium without windows until the block is left."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()
