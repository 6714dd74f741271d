"""Arguments as people write them: usage, help, the version, and what was meant."""

from importlib.metadata import version

import pytest

from batch_core.cli.program import COMMANDS


@pytest.mark.parametrize(
    ("arguments", "usage", "words"),
    [
        (["routes"], "routes ACTION [NAME] [OPTIONS]", "ACTION is missing"),
        (["logs"], "logs TASK_ID|NAME [OPTIONS]", "TASK_ID|NAME is missing"),
        (["drop"], "drop PATH... [OPTIONS]", "PATH... is missing"),
        (["get", "a", "b", "c"], "get TASK_ID|NAME [FOLDER] [OPTIONS]", "unrecognized arguments: c"),
        (["cancel"], "cancel [TASK_ID...] [OPTIONS]", "say which tasks: their ids, or --state and other filters"),
        (["list", "--limit"], "list [OPTIONS]", "--limit needs a value"),
        (["logs", "x", "--flow"], "logs TASK_ID|NAME [OPTIONS]", "unrecognized arguments: --flow: did you mean --f"),
        (["retry", "--sate", "failed"], "retry [TASK_ID...] [OPTIONS]", "did you mean --state?"),
        (
            ["list", "recipe.txt"],
            "list [OPTIONS]",
            "unrecognized arguments: recipe.txt: `show recipe.txt` shows a file's tasks, `list --prefix recipe.txt` ",
        ),
        (["lst"], "COMMAND [OPTIONS]", "there is no command 'lst': did you mean list?"),
        (["help", "reusme"], "COMMAND [OPTIONS]", "there is no command 'reusme': did you mean resume?"),
    ],
)
async def test_wrong_arguments_show_how_that_command_is_written(batchdrop, arguments, usage, words):
    done = await batchdrop(*arguments)
    first, last = done.err.splitlines()
    assert (done.code, done.out) == (2, b"")
    assert first.startswith(f"usage: batchdrop {usage}; batchdrop {usage.split()[0]} --help explains ")
    assert words in last


async def test_help_is_a_command_and_names_arguments_in_the_usage(batchdrop):
    assert (await batchdrop("help")).text == (await batchdrop("--help")).text
    for name in COMMANDS:
        helped = await batchdrop("help", name)
        assert (helped.code, helped.text) == (0, (await batchdrop(name, "--help")).text)
        assert helped.lines[0].startswith(f"usage: batchdrop {name} ")
        assert "[ARGS]" not in helped.text


async def test_the_version_is_printed(batchdrop):
    done = await batchdrop("--version")
    assert (done.code, done.text) == (0, f"batchdrop {version('batchdrop')}\n")
