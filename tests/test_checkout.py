"""What the documented commands leave in a checkout: none of it may be committed, published or outlive `make clean`."""

import re
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
#: Where the commands of Makefile and READMEs keep state, keys and settings.
FOLDERS = [".venv", "node_modules", ".stack", ".batch-emulator", "certificates"]
FILES = ["local.settings.json", "certificates/key.pem", "key.pem", "__azurite_db_blob__.json", "__blobstorage__/x"]


@pytest.mark.parametrize("name", [*(f"{folder}/file" for folder in FOLDERS if folder != ".venv"), *FILES])
def test_git_ignores_what_commands_make(name):
    found = subprocess.run(["git", "check-ignore", "--quiet", name], cwd=CHECKOUT, capture_output=True, check=False)
    if found.returncode == 128:
        pytest.skip("this is no git checkout")
    assert found.returncode == 0


def test_no_key_is_published():
    lines = set((CHECKOUT / ".funcignore").read_text().splitlines())
    assert {".*", "certificates/", "*.pem", "local.settings.json"} <= lines


def test_make_clean_removes_what_commands_make():
    (removed,) = re.findall(r"^clean:\n\trm -rf (.*)$", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)
    assert set(FOLDERS) <= set(removed.split())
