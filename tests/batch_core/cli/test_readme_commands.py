"""The commands of docs/commands.md, as they are written there, run on a file."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.batch_core.steps import collected, output, submitted, with_command

DOCS = (Path(__file__).parents[3] / "docs/commands.md").read_text()
PLAIN = re.findall(r"^/bin/bash -c '.*'$", DOCS, re.MULTILINE)
#: A PNG of one pixel.
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc000000301"
    "0100c9fe92ef0000000049454e44ae426082"
)


def test_each_command_stands_there_twice_as_a_setting_and_as_json():
    quoted = [json.loads(f"{{{line}}}") for line in re.findall(r'^"TASK_COMMAND_LINE": .*$', DOCS, re.MULTILINE)]
    assert [one["TASK_COMMAND_LINE"] for one in quoted] == PLAIN
    assert [next(tool for tool in ("uniq", "python3", "convert") if tool in line) for line in PLAIN] == [
        "uniq",
        "python3",
        "convert",
    ]


async def run(app, tool, name, content):
    (command,) = [line for line in PLAIN if tool in line]
    record = await collected(app, (await submitted(with_command(app, command), name, content)).task_id)
    assert (record.state, record.stderr_end) == ("succeeded", None)
    return await output(app, record.stdout)


async def test_uniq(app):
    assert (await run(app, "uniq", "two words.txt", b"b\na\nb\n")).split() == [b"1", b"a", b"2", b"b"]


@pytest.mark.skipif(shutil.which("python3") is None, reason="python3 is not installed")
async def test_python(app):
    assert await run(app, "python3", "it's.txt", b"loud") == b"LOUD\n"


def _is_imagemagick() -> bool:
    program = shutil.which("convert")
    if program is None:
        return False
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return "ImageMagick" in said.stdout


@pytest.mark.skipif(not _is_imagemagick(), reason="ImageMagick is not installed")
async def test_imagemagick(app):
    assert (await run(app, "convert", "pixel.png", PIXEL)).startswith(b"\x89PNG\r\n")
