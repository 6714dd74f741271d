import re
from pathlib import Path

import pytest

import batch_emulator
from batch_emulator.__main__ import main
from batch_emulator.versions import SERVED
from tests.batch_emulator.az_tour.__main__ import read_steps

README = (Path(batch_emulator.__file__).parent / "README.md").read_text()


def test_the_readme_names_the_versions_that_are_served():
    _, _, rest = README.partition("\n## Versions\n")
    documented = re.findall(r"\d{4}-\d{2}-\d{2}(?:\.\d+\.\d+)?", rest.partition("\n\n")[0])
    assert tuple(documented) == SERVED


def test_the_readme_names_every_option(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    options = set(re.findall(r"--[a-zA-Z-]+", capsys.readouterr().out)) - {"--help"}
    assert {option for option in options if f"`{option}" not in README} == set()


def test_the_tour_with_az_is_a_list_of_commands_and_what_they_print():
    steps = read_steps(README)
    assert len(steps) > 20
    assert all(step.command.startswith(("az batch", "until [", "echo ", "cat ")) for step in steps)
    assert [step.output for step in steps if step.command.startswith("cat ")] == ["hello from hello\n"]
