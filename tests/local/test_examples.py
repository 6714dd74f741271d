"""Every example runs as its README says."""

import re

import pytest

from local import example
from local.errors import DemoFailedError
from local.functions_host import HostKind

EXPECTED = {
    "word-counts": [
        "logo.svg -> input, no task of its own: no route takes blob 'logo.svg', and what none takes is ignored",
        "==> essays/tides.txt <==",
        "==> shopping.txt <==",
        " 3  7\n",
        " the\n",
    ],
    "sound-files": [
        "chime.wav -> input, task ",
        "sound.mp3\nwave.png\n",
        "/files/sound.mp3:\n(",
        "/files/wave.png:\n(",
    ],
    "surveys": [
        "autumn/monday.csv -> input, no task of its own: blob 'autumn/monday.csv' is a file of a folder",
        "spring/monday.csv -> input, no task of its own",
        "spring/_READY -> input, task ",
        "Ada 30\nBen 30\nCem 25\n",
    ],
    "sales-report": [
        "shop.csv -> input, task ",
        "2026-01      19.75",
        "/files/report.json:",
        '"2026-02": 40.0',
        "<svg ",
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPECTED)
async def test_an_example_runs(capsys, name):
    if missing := example.Example(folder=example.EXAMPLES / name).missing:
        pytest.skip(f"{', '.join(missing)} is not installed: {name} needs it")
    await example.run(name, HostKind.EMBEDDED)
    output = "".join(capsys.readouterr())
    assert [part for part in EXPECTED[name] if part not in output] == []


def test_every_example_is_run_and_says_how_to_run_it():
    assert example.names() == sorted(EXPECTED)
    for name in EXPECTED:
        readme = (example.EXAMPLES / name / "README.md").read_text()
        assert re.findall(r"^make example NAME=(\S+)$", readme, re.MULTILINE) == [name]
        assert len(readme.splitlines()) < 25


async def test_an_example_that_needs_what_is_not_installed_says_so(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DemoFailedError, match="the example sound-files needs ffmpeg, which is not installed"):
        await example.run("sound-files", HostKind.EMBEDDED)


async def test_an_example_that_does_not_exist_is_reported_with_those_that_do():
    with pytest.raises(DemoFailedError, match="there is no example 'x': there are sales-report, sound-files, surv"):
        await example.run("x", HostKind.EMBEDDED)
