"""What `python -m local` says of its commands."""

import re
import shlex
import sys
from pathlib import Path

import pytest

from batch_core.naming import is_task_id
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
        (["bogus"], "there is no command 'bogus': there are up, demo, example, drop and show"),
        (["setup"], "setup is a command of python -m batch_core: python -m batch_core setup"),
        (["teardown", "--yes"], "teardown is a command of python -m batch_core: python -m batch_core teardown"),
        ([], "the following arguments are required: COMMAND"),
    ],
)
def test_what_is_no_command_is_reported_in_a_sentence(monkeypatch, capsys, arguments, words):
    code, output, complaints = said(monkeypatch, capsys, *arguments)
    assert (code, output) == (2, "")
    assert complaints.splitlines()[-1] == f"python -m local: error: {words}"


@pytest.mark.parametrize("command", ["up", "drop", "show"])
def test_each_command_that_reads_settings_says_what_it_reads_without_a_file(monkeypatch, capsys, command):
    code, output, _ = said(monkeypatch, capsys, command, "--help")
    assert (code, "--settings FILE" in output, "local.settings.json.example" in output) == (0, True, True)


def test_an_error_begins_at_its_first_line(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "argv", ["local", "drop", str(tmp_path / "nosuch")])
    assert main() == 1
    assert capsys.readouterr().err == f"cannot drop {tmp_path}/nosuch: there is no such file\n"


@pytest.mark.parametrize("page", ["README.md", "docs/operations.md"])
def test_the_docs_drop_what_is_in_the_checkout_and_show_a_task(page):
    lines = re.findall(
        r"^(?:\$ )?\S+ -m local ((?:drop|show) .*?)(?:  .*)?$", (CHECKOUT / page).read_text(), re.MULTILINE
    )
    parsed = [_parser().parse_args(shlex.split(line)) for line in lines]
    drops = [one for one in parsed if one.command == "drop"]
    shows = [one for one in parsed if one.command == "show"]
    assert drops[0].files == [Path("local/samples/recipe.txt")]
    assert all((CHECKOUT / file).exists() for each in drops for file in each.files)
    assert shows
    assert all(is_shown(one.name) for one in shows)


def is_shown(name):
    """Whether what the docs show is a task, one of their files, or everything."""
    return name in {None, "TASK_ID", "recipe.txt", "letters/recipe.txt"} or is_task_id(name)


def test_to_save_everything_is_not_possible(monkeypatch, capsys):
    code, _, complaints = said(monkeypatch, capsys, "show", "--save", "folder")
    assert (code, "show --save FOLDER: the task or the blob" in complaints) == (2, True)


def test_the_help_of_drop_says_how_names_are_made(monkeypatch, capsys):
    _, text, _ = said(monkeypatch, capsys, "drop", "--help")
    text = " ".join(text.split())
    assert "a folder, whose files are named by their paths below it" in text
    assert "with letters/, recipe.txt becomes letters/recipe.txt" in text


def test_the_docs_own_azurite_and_emulator_keep_their_state_where_up_does():
    readme = (CHECKOUT / "docs/operations.md").read_text()
    up = _parser().parse_args(["up"])
    folders = [CHECKOUT / one for one in re.findall(r"^.*--location (\S+) &$", readme, re.MULTILINE)]
    assert folders == [up.state / "azurite", up.state / "batch"]
