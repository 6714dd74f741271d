"""What the documented commands leave in a checkout: none of it may be committed, published or outlive `make clean`."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
#: Where the commands of Makefile and READMEs keep state, keys and settings.
FOLDERS = [".venv", "node_modules", ".stack", ".batch-emulator", "certificates"]
FILES = [
    "local.settings.json",
    "production.settings.json",
    "certificates/key.pem",
    "key.pem",
    "__azurite_db_blob__.json",
    "__blobstorage__/x",
]


@pytest.mark.parametrize("name", [*(f"{folder}/file" for folder in FOLDERS if folder != ".venv"), *FILES])
def test_git_ignores_what_commands_make(name):
    found = subprocess.run(["git", "check-ignore", "--quiet", name], cwd=CHECKOUT, capture_output=True, check=False)
    if found.returncode == 128:
        pytest.skip("this is no git checkout")
    assert found.returncode == 0


def test_no_key_is_published():
    lines = set((CHECKOUT / ".funcignore").read_text().splitlines())
    assert {".*", "certificates/", "*.pem", "local.settings.json", "*.settings.json"} <= lines


def test_the_functions_load_without_what_is_not_published(tmp_path):
    lines = (CHECKOUT / ".funcignore").read_text().splitlines()
    left_out = [line.removeprefix("batch_core/").rstrip("/") for line in lines if line.startswith("batch_core/")]
    assert set(left_out) == {"cli", "__main__.py"}
    shutil.copytree(CHECKOUT / "batch_core", tmp_path / "batch_core", ignore=shutil.ignore_patterns(*left_out))
    shutil.copy(CHECKOUT / "function_app.py", tmp_path)
    command = [sys.executable, "-c", "import function_app; print(function_app.__file__)"]
    loaded = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert loaded.stdout.strip() == str(tmp_path / "function_app.py"), loaded.stderr


def test_make_clean_removes_what_commands_make():
    (removed,) = re.findall(r"^clean:\n\trm -rf (.*)$", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)
    assert set(FOLDERS) <= set(removed.split())
