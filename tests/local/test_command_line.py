"""What `python -m local` says of its commands."""

import re
import sys

import pytest

from local.__main__ import _parser, main
from tests.local.hosts import CHECKOUT


def said(monkeypatch, capsys, *arguments):
    """Run a command line that ends before anything is started."""
    monkeypatch.setattr(sys, "argv", ["local", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    output, complaints = capsys.readouterr()
    return caught.value.code, output, complaints


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["bogus"], "there is no command 'bogus': there are up, demo and example"),
        (["setup"], "setup is a command of batchdrop: batchdrop setup"),
        (["teardown", "--yes"], "teardown is a command of batchdrop: batchdrop teardown"),
        (["drop", "a.txt"], "drop is a command of batchdrop: batchdrop drop"),
        ([], "the following arguments are required: COMMAND"),
    ],
)
def test_what_is_no_command_is_reported_in_a_sentence(monkeypatch, capsys, arguments, words):
    code, output, complaints = said(monkeypatch, capsys, *arguments)
    assert (code, output) == (2, "")
    assert complaints.splitlines()[-1] == f"python -m local: error: {words}"


def test_up_says_what_it_reads_without_a_file(monkeypatch, capsys):
    code, output, _ = said(monkeypatch, capsys, "up", "--help")
    assert (code, "--settings FILE" in output, "local.settings.json.example" in output) == (0, True, True)


def test_an_error_begins_at_its_first_line(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["local", "example", "nosuch"])
    assert main() == 1
    assert capsys.readouterr().err.startswith("there is no example 'nosuch': there are ")


def test_the_docs_own_azurite_and_emulator_keep_their_state_where_up_does():
    readme = (CHECKOUT / "docs/operations.md").read_text()
    up = _parser().parse_args(["up"])
    folders = [CHECKOUT / one for one in re.findall(r"^.*--location (\S+) &$", readme, re.MULTILINE)]
    assert folders == [up.state / "azurite", up.state / "batch"]
