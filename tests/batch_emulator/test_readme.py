from pathlib import Path

import batch_emulator
from batch_emulator.routes import ROUTES
from tests.batch_emulator.az_tour.__main__ import read_steps

README = (Path(batch_emulator.__file__).parent / "README.md").read_text()


def test_the_readme_tells_of_every_operation_whether_it_is_there():
    rows = {line.split("`")[1]: line for line in README.splitlines() if line.startswith("| `")}
    for operation in ROUTES:
        row = rows[operation.name]
        assert f"| {operation.method} | `{operation.path}` |" in row
        assert row.endswith("| not yet |") == (operation.handler is None)


def test_the_tour_with_az_is_a_list_of_commands_and_what_they_print():
    steps = read_steps(README)
    assert len(steps) > 20
    assert all(step.command.startswith(("az batch", "until [", "echo ", "cat ")) for step in steps)
    assert [step.output for step in steps if step.command.startswith("cat ")] == ["hello from hello\n"]
