from pathlib import Path

import batch_emulator
from batch_emulator.routes import ROUTES

README = (Path(batch_emulator.__file__).parent / "README.md").read_text()


def test_the_readme_tells_of_every_operation_whether_it_is_there():
    rows = {line.split("`")[1]: line for line in README.splitlines() if line.startswith("| `")}
    for operation in ROUTES:
        row = rows[operation.name]
        assert f"| {operation.method} | `{operation.path}` |" in row
        assert row.endswith("| not yet |") == (operation.handler is None)
