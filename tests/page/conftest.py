"""A real Chromium that looks at the dashboard of a real host, with real Azurite and the real emulator behind it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from local.chromium import MISSING, find_chromium, running_chromium
from tests.system import System, running_system

_ROUTES = """
unmatched = "reject"

[[routes]]
name = "gated"
match = "gated/**"
command = "/bin/bash -c 'echo begun; while [ ! -e {gate}/open ]; do sleep 0.1; done; cat \\"$INPUT_FILE\\"'"

[[routes]]
name = "broken"
match = "broken/**"
command = "/bin/bash -c 'echo \\"cannot read the header\\" >&2; exit 3'"

[[routes]]
name = "endless"
match = "endless/**"
command = "/bin/sleep 600"

[[routes]]
name = "quick"
match = "quick/**"
command = "/bin/bash -c 'cat \\"$INPUT_FILE\\"; echo made > made.txt'"
outputs = ["made.txt"]

[[routes]]
name = "held"
match = "held/**"
command = "/bin/true"
"""


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """A stack, the address of its dashboard, and a gate: tasks of the route `gated` wait until it is open."""

    system: System
    gate: Path

    @property
    def url(self) -> str:
        return f"{self.system.url}/api/dashboard"

    def open_gate(self) -> None:
        (self.gate / "open").touch()


@dataclass(frozen=True, kw_only=True)
class Tab:
    """A page in a browser, and what it has complained about."""

    page: Page
    complaints: list[str] = field(default_factory=list)


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


@pytest.fixture(scope="session")
async def dashboard(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Dashboard]:
    folder = tmp_path_factory.mktemp("dashboard")
    gate = folder / "gate"
    gate.mkdir()
    routes = folder / "own-routes.toml"
    routes.write_text(_ROUTES.format(gate=gate))
    every_second = dict.fromkeys(("COLLECT_SCHEDULE", "SWEEP_SCHEDULE"), "* * * * * *")
    settings = {"ROUTES_FILE": str(routes), "POOL_TASK_SLOTS_PER_NODE": "4", **every_second}
    async with running_system(folder, **settings) as system:
        yield Dashboard(system=system, gate=gate)


@pytest.fixture
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    made = await browser.new_context(viewport={"width": 1440, "height": 900})
    made.set_default_timeout(30_000)
    yield made
    await made.close()


@pytest.fixture
async def tab(context: BrowserContext) -> AsyncIterator[Tab]:
    """A tab in which no script may fail, no dialog of a script may open, and no policy may be violated."""
    made = Tab(page=await context.new_page())
    made.page.on("pageerror", lambda error: made.complaints.append(str(error)))
    made.page.on("dialog", lambda dialog: made.complaints.append(f"a dialog opened: {dialog.message}"))

    def note(message):
        if "Content Security Policy" in message.text:
            made.complaints.append(message.text)

    made.page.on("console", note)
    yield made
    assert made.complaints == []


#: Seconds of the page's timers pass ten times as fast: what is shown is asked for every 0.3 s.
HASTE = """{
    const set = window.setTimeout;
    window.setTimeout = (act, wait) => set(act, wait >= 1000 ? wait / 10 : wait);
}"""


@pytest.fixture
async def page(tab: Tab, dashboard: Dashboard) -> Page:
    """The dashboard, up to date."""
    await tab.page.add_init_script(HASTE)
    await tab.page.goto(dashboard.url)
    await tab.page.locator("#freshness.fresh").wait_for()
    return tab.page
