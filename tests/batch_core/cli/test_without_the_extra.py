"""What is deployed has neither cyclopts nor rich."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
#: Nothing of this name can be imported.
BLOCKED = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"cyclopts", "rich"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocked())
"""


def run(code):
    command = [sys.executable, "-c", BLOCKED + code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_functions_load_without_what_only_the_command_line_needs():
    done = run("import function_app; print(len(function_app.app.get_functions()) > 10)")
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


@pytest.mark.parametrize("requirements", ["requirements.in", "requirements.txt"])
def test_azure_installs_neither(requirements):
    text = (ROOT / requirements).read_text()
    assert not [name for name in ("cyclopts", "rich") if f"\n{name}" in text]


def test_who_has_installed_the_package_without_its_extra_reads_how_to_get_it():
    done = run("from batch_core.cli.command_line import main; sys.argv = ['batchdrop', 'list']; sys.exit(main())")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "The command line needs the package cyclopts: pip install 'batchdrop[cli]'\n"
