"""The tour of docs/dashboard.md, taken in a browser as it is written there.

What is to be done is a command, or names what is clicked and pressed; what is to be seen is in bold type.
"""

import re
import shlex
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

from tests.page.conftest import HASTE
from tests.system import System, running_system

CHECKOUT = Path(__file__).parents[2]
TOUR = (CHECKOUT / "docs/dashboard.md").read_text().partition("## A tour")[2].partition("\n## ")[0]
STEPS = [tuple(row) for row in re.findall(r"^\| (.+?) \| (.+?) \|$", TOUR, re.MULTILINE)[2:]]
DO = re.compile(
    r"`\.venv/bin/batchdrop drop (?P<drop>[^`]+)`"
    r"|type `(?P<type>[^`]+)`"
    r"|press (?P<key>Escape|/)"
    r"|click \*\*(?P<row>[^*]+)\*\*"
    r"|\*\*(?P<button>[^*]+)\*\*"
    r"|(?P<again>once more in the question)"
)
SEE = re.compile(
    r"(?P<ended>when it has ended)|(?P<details>in the details)|no \*\*(?P<gone>[^*]+)\*\*|\*\*(?P<text>[^*]+)\*\*"
)


@dataclass(frozen=True, kw_only=True)
class Tourist:
    """Who takes the tour. The command of the route `count` ends when `gate` exists, instead of after some seconds."""

    system: System
    page: Page
    gate: Path

    async def do(self, step: re.Match[str]) -> None:
        match step.lastgroup:
            case "drop":
                await self._drop(*shlex.split(step["drop"]))
            case "type":
                await self.page.keyboard.type(step["type"])
            case "key":
                await self.page.keyboard.press(step["key"])
            case "row":
                await self.page.locator("#rows").get_by_role("button", name=step["row"], exact=True).first.click()
            case "button":
                await self._press(step["button"])
            case "again":
                await self._answer(self.page.locator("dialog[open] [type=submit]"))

    async def _drop(self, option: str, prefix: str, *files: str) -> None:
        assert option == "--prefix"
        self.gate.unlink(missing_ok=True)
        for file in files:
            await self.system.drop(prefix + Path(file).name, (CHECKOUT / file).read_bytes())

    async def _press(self, name: str) -> None:
        if await self.page.locator("dialog[open]").count():
            await self._answer(self.page.locator("dialog[open]").get_by_role("button", name=name, exact=True))
            return
        exact = [self.page.get_by_role(role, name=name, exact=True) for role in ("button", "tab")]
        # A counter's name goes on with its figures.
        counter = self.page.locator("#counters").get_by_role("button", name=re.compile(f"^{name} "))
        await exact[0].or_(exact[1]).or_(counter).first.click()

    async def _answer(self, button: Locator) -> None:
        """Press a button of the dialog that is open; what it asks is settled then."""
        await button.click()
        await expect(self.page.locator("dialog[open]")).to_have_count(0)

    async def see(self, text: str) -> None:
        dialog = self.page.locator("dialog[open]")
        scope = dialog if await dialog.count() else self.page.locator("body")
        for seen in SEE.finditer(text):
            match seen.lastgroup:
                case "ended":
                    self.gate.touch()
                case "details":
                    scope = self.page.locator("#panel")
                case "gone":
                    await expect(self.page.locator("#rows").get_by_text(seen["gone"], exact=True)).to_have_count(0)
                case "text":
                    # What is there for screen readers alone is not seen.
                    found = scope.get_by_text(seen["text"]).and_(self.page.locator(":not(.unseen, .unseen *)"))
                    await expect(found.locator("visible=true").first).to_be_visible()


@pytest.fixture
async def tourist(tab, tmp_path) -> AsyncIterator[Tourist]:
    gate = tmp_path / "gate"
    routes = tmp_path / "own-routes.toml"
    (written,) = re.findall(r"```toml\n(.*?)```", TOUR, re.DOTALL)
    assert written.count("sleep 20") == 1
    routes.write_text(written.replace("sleep 20", f"while [ ! -e {gate} ]; do sleep 0.1; done"))
    every_second = dict.fromkeys(("COLLECT_SCHEDULE", "SWEEP_SCHEDULE"), "* * * * * *")
    async with running_system(tmp_path, ROUTES_FILE=str(routes), **every_second) as system:
        await tab.page.add_init_script(HASTE)
        await tab.page.goto(f"{system.url}/api/dashboard")
        yield Tourist(system=system, page=tab.page, gate=gate)


async def test_the_tour_shows_what_is_written(tourist):
    assert len(STEPS) > 10
    for do, see in STEPS:
        steps = list(DO.finditer(do))
        assert steps, f"nothing is done: {do}"
        assert "**" not in DO.sub("", do), f"not understood: {do}"
        for step in steps:
            await tourist.do(step)
        await tourist.see(see)
