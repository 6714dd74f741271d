"""The tour of docs/http-api.md and the README's every day, command by command as a reader types them.

What is replaced is what differs on a reader's machine: the port and the settings of the stack, the Python, the ids of
the run that was written down, and the command's minute of sleep, which lasts until the page shows how a task ended.
"""

import asyncio
import json
import os
import re
import shlex
import shutil
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from local import stack
from local.functions_host import HostKind
from local.stack import Plan
from tests.console_blocks import TASK_ID, fits, named, steps_of

CHECKOUT = Path(__file__).parents[1]
README = (CHECKOUT / "README.md").read_text()
PAGES = {
    "README.md": README.partition("\n## Every day\n")[2].partition("\n## ")[0],
    "docs/http-api.md": (CHECKOUT / "docs/http-api.md").read_text(),
}
SLEEP = "sleep 60"
PATIENCE_SECONDS = 30

pytestmark = [
    pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed"),
    pytest.mark.skipif(sys.platform == "darwin", reason="wc pads its numbers here, so that sizes are others"),
]


def command_line(gates):
    """Return the command that the README suggests; a task sleeps until the file of its id is made."""
    (written,) = re.findall(r'"TASK_COMMAND_LINE": (".*")$', PAGES["README.md"], re.MULTILINE)
    before, after = json.loads(written).split(SLEEP)
    return f'{before}until [ -e "{gates}/$AZ_BATCH_TASK_ID" ]; do sleep 0.1; done{after}'


class Reader:
    """Types the commands of a page, one after the other, on a stack of its own."""

    def __init__(self, plan, settings, gates):
        self.gates, self.names = gates, {"7071": str(plan.settings.host_port)}
        python = f"{shlex.quote(sys.executable)} -m batch_core"
        # Both streams of it: what it says and its result, as they are seen on a terminal.
        self.batchdrop = rf"{python} \1 --settings {shlex.quote(str(settings))} 2>&1"

    async def follow(self, step):
        """Run a command until it prints what the page shows; once alone, if it changes anything."""
        command = named(step.command, self.names)
        command = re.sub(r"^\.venv/bin/batchdrop (.*)", self.batchdrop, command)
        if "succeeded" in step.shown:
            for task_id in TASK_ID.findall(named(step.shown if "logs" in command else step.command, self.names)):
                (self.gates / task_id).touch()
        changes = re.search(r" -X POST | -d | drop ", command)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            code, printed, complaints = await typed(command)
            known = fits(step.shown, printed, self.names) if code == 0 else None
            if known is not None:
                self.names = known
                return
            if changes or time.monotonic() > deadline:
                break
            await asyncio.sleep(0.2)
        # curl writes its progress there, too.
        said = f"exit code {code}: {complaints}" if code else ""
        pytest.fail(f"$ {command}\n{printed}\n{said}\nThe page shows\n\n{step.shown}")


async def typed(command):
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", command),
        cwd=CHECKOUT,
        env={**os.environ, "no_proxy": "*"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            printed, complaints = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    return process.returncode, printed.decode(), complaints.decode()


@pytest.fixture
async def reader(tmp_path):
    folder, gates, settings = tmp_path / "stack", tmp_path / "gates", tmp_path / "settings.json"
    folder.mkdir()
    gates.mkdir()
    plan = Plan.throwaway(folder, HostKind.EMBEDDED)
    every_second = dict.fromkeys(("COLLECT_SCHEDULE", "SWEEP_SCHEDULE"), "* * * * * *")
    plan = replace(plan, settings=plan.settings.with_values(TASK_COMMAND_LINE=command_line(gates), **every_second))
    values = {"Host": {"LocalHttpPort": plan.settings.host_port}, "Values": plan.settings.values}
    settings.write_text(json.dumps(values))
    async with stack.running(plan, lambda _: None):
        yield Reader(plan, settings, gates)


@pytest.mark.parametrize("page", PAGES)
async def test_each_command_prints_what_the_page_shows(reader, page):
    if f"{datetime.now(UTC):%H:%M}" >= "23:57":
        pytest.skip("midnight is near: what is of today might not be so at the end")
    steps = steps_of(PAGES[page])
    assert len(steps) >= {"README.md": 3, "docs/http-api.md": 15}[page]
    for step in steps:
        await reader.follow(step)
