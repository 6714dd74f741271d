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
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8cfc00000030101"
    "00c9fe92ef0000000049454e44ae426082"
)


def test_each_command_stands_there_twice_as_a_setting_and_as_json():
    quoted = [json.loads(f"{{{line}}}") for line in re.findall(r'^"TASK_COMMAND_LINE": .*$', DOCS, re.MULTILINE)]
    assert [one["TASK_COMMAND_LINE"] for one in quoted] == PLAIN
    assert [next(tool for tool in ("wc", "python3", "convert") if tool in line) for line in PLAIN] == [
        "wc",
        "python3",
        "convert",
    ]


async def run(app, tool, name, content):
    (command,) = [line for line in PLAIN if tool in line]
    record = await collected(app, (await submitted(with_command(app, command), name, content)).task_id)
    assert (record.state, record.stderr_end) == ("succeeded", None)
    return await output(app, record.stdout)


async def test_wc(app):
    assert (await run(app, "wc", "two words.txt", b"two words\n")).split() == [
        b"1",
        b"2",
        b"10",
        b"input/two_words.txt",
    ]


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
