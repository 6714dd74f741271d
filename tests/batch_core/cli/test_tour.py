"""The tour of docs/command-line.md, command by command: what is printed has the shape of what is written there."""

import asyncio
import re
import shlex
from pathlib import Path

import pytest

from batch_core.bookkeeping import write_counts
from batch_core.cli import printing
from batch_core.cli.program import COMMANDS
from batch_core.collect import collect
from batch_core.intake import take

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "command-line.md").read_text()
TOUR = PAGE.partition("## A tour")[2].partition("\n## ")[0]
LOOKING = ("list", "show", "logs", "get", "summary", "doctor")
ACTING = ("drop", "submit", "cancel", "retry", "pause", "resume")
#: What differs from run to run, and what replaces it.
VARYING = {
    r"\d{8}T\d{6}-[a-z0-9-]+-[0-9a-f]{16}(-r\d+)?": "ID",
    r"(files-)?\bpool-\d+\b(-\d{8}-\d+)?|files-files-pool-\d{8}-\d+|files-pool": "POOL",
    r"\b(input|output|tasks)-?\d+": r"\1",
    r"\b\d+ (s|min)\b": "AGE",
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d": "TIME",
    r"(?<=UTC, by ).+": "PERSON",
    r"\d+(\.\d+)+": "NUMBER",
    r"\d+ (queued|submitted|succeeded)": r"N \1",
    r" +": " ",
}


def steps():
    """Return the commands of the tour, each with the lines that it prints."""
    for block in re.findall(r"```console\n(.*?)```", TOUR, re.DOTALL):
        for step in re.split(r"(?m)^\$ ", block)[1:]:
            command, _, output = step.partition("\n")
            yield shlex.split(command), output.strip("\n").splitlines()


def shape(lines):
    """Return lines without what varies, in an order of their own: two streams have none in common."""
    text = "\n".join(lines)
    for pattern, instead in VARYING.items():
        text = re.sub(pattern, instead, text)
    return sorted(line.strip() for line in text.splitlines() if line.strip())


async def working(app):
    """Do what the functions of the app do."""
    container = app.settings.input_container
    async with asyncio.timeout(60):
        while True:
            await take(app, container, "recipe.txt")
            await collect(app)
            await write_counts(app)
            await asyncio.sleep(0.1)


async def test_each_command_of_the_tour_prints_what_the_page_shows(app, batchdrop, tmp_path, monkeypatch):
    monkeypatch.setattr(printing, "POLL_SECONDS", 0.1)
    (tmp_path / "recipe.txt").write_text("two eggs\n")
    identity, ran = None, set()
    for (program, name, *arguments), expected in steps():
        assert program == "batchdrop"
        ran.add(name)
        given = [identity if re.fullmatch(next(iter(VARYING)), one) else one for one in arguments]
        if name == "drop":
            task = asyncio.create_task(batchdrop(name, *given))
            functions = asyncio.create_task(working(app))
            done = await task
            functions.cancel()
        else:
            done = await batchdrop(name, *given)
        # How a wait goes depends on what is faster.
        printed = [line for line in [*done.lines, *done.err.splitlines()] if " of 1 ended; " not in line]
        if name == "drop":
            identity = next(iter(re.finditer(next(iter(VARYING)), done.err))).group()
        if "..." in expected:
            assert set(shape(line for line in expected if line != "...")) <= set(shape(printed)), name
        else:
            assert shape(printed) == shape(expected), name
        assert done.code == (1 if name == "doctor" else 0)
    assert ran == {
        "drop",
        "list",
        "show",
        "logs",
        "get",
        "submit",
        "retry",
        "cancel",
        "pause",
        "resume",
        "summary",
        "doctor",
    }


@pytest.mark.parametrize("page", ["README.md", "docs/command-line.md", "docs/operations.md"])
def test_every_command_that_the_docs_name_exists(page):
    text = (DOCS.parent / page).read_text()
    named = set(re.findall(r"\b(?:batchdrop|-m batch_core) ([a-z]+)\b", text))
    assert named
    assert named <= {"help", *COMMANDS}


def test_the_page_lists_every_command():
    rows = PAGE.partition("## A tour")[0]
    assert set(re.findall(r"`([a-z]+)`", rows)) - {"batchdrop"} == COMMANDS.keys()
