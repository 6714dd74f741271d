"""A real Chromium that looks at the page of a real emulator."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from local.chromium import MISSING, find_chromium, running_chromium
from tests.batch_emulator.conftest import Batch, impatient_client, own_emulator


@dataclass(frozen=True, kw_only=True)
class Tab:
    """A page in a browser, what it has complained about, and what it has asked for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def chromium() -> str:
    found = find_chromium()
    if found is None:
        pytest.skip(MISSING)
    return found


@pytest.fixture(scope="session")
async def browser(chromium: str) -> AsyncIterator[Browser]:
    # A busy machine is slow: what is expected may take its time.
    expect.set_options(timeout=30_000)
    async with running_chromium(chromium) as running:
        yield running


@pytest.fixture(scope="module")
async def url() -> AsyncIterator[str]:
    async with own_emulator() as address:
        yield address


@pytest.fixture
async def batch(url: str) -> AsyncIterator[Batch]:
    async with impatient_client(url) as batch:
        yield batch


@pytest.fixture
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    made = await browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    made.set_default_timeout(30_000)
    yield made
    await made.close()


@pytest.fixture
async def tab(context: BrowserContext) -> AsyncIterator[Tab]:
    """A tab in which no script may fail, no dialog of a script may open, and no policy may be violated."""
    made = Tab(page=await context.new_page())
    made.page.on("pageerror", lambda error: made.complaints.append(str(error)))
    made.page.on("dialog", lambda dialog: made.complaints.append(f"a dialog opened: {dialog.message}"))
    made.page.on("request", lambda request: made.asked.append(request.url))

    def note(message):
        # Refusals that a test asks for are no complaints.
        if message.type == "error" and "Failed to load resource" not in message.text:
            made.complaints.append(message.text)

    made.page.on("console", note)
    yield made
    assert made.complaints == []


#: Seconds of the page's timers pass ten times as fast: what is shown is asked for every 0.2 s.
HASTE = """{
    const set = window.setTimeout;
    window.setTimeout = (act, wait) => set(act, wait >= 1000 ? wait / 10 : wait);
}"""


@pytest.fixture
async def page(tab: Tab, url: str) -> Page:
    """The page, up to date."""
    await tab.page.add_init_script(HASTE)
    await tab.page.goto(f"{url}/_emulator/")
    await tab.page.locator("#freshness.fresh").wait_for()
    return tab.page
