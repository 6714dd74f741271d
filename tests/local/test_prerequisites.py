"""What `make` says when a tool is missing, before it installs anything."""

import shutil
import subprocess
import sys

import pytest

from tests.local.hosts import CHECKOUT

PACKAGE = ("package.json", "package-lock.json")
GOOD = {"python3.13": f'exec {sys.executable} "$@"', "node": "echo v20.1.0", "npm": "exit 0"}


def make(tmp_path, **stubs):
    """Run `make setup` of a fresh checkout with these tools on PATH; what is None is absent."""
    for name in ("Makefile", "pyproject.toml", "requirements.txt", "requirements-dev.txt", *PACKAGE):
        shutil.copy(CHECKOUT / name, tmp_path)
    (tmp_path / "local").mkdir()
    shutil.copy(CHECKOUT / "local" / "prerequisites.sh", tmp_path / "local")
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("sh", "tail", "make", "touch", "test", "grep"):
        (tools / tool).symlink_to(shutil.which(tool))
    for name, script in (GOOD | stubs).items():
        if script is not None:
            (tools / name).write_text(f"#!/bin/sh\n{script}\n")
            (tools / name).chmod(0o755)
    return subprocess.run(
        ["make", "setup"], cwd=tmp_path, env={"PATH": str(tools)}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("stubs", "sentence"),
    [
        (
            {"python3.13": None},
            "Python 3.13 is needed: there is no python3.13 on PATH; install it, or",
        ),
        ({"python3.13": '[ "$1" = --version ] && echo Python 3.11.2; exit 1'}, "python3.13 is Python 3.11.2; say make"),
        ({"node": None}, "Node.js 20 or newer is needed, for Azurite: there is no node on PATH"),
        ({"node": "echo v18.19.1"}, "Node.js 20 or newer is needed, for Azurite: node is v18.19.1"),
        ({"node": "exit 1"}, "node is none that reports its version"),
        ({"npm": None}, "npm is needed, which comes with Node.js: there is no npm on PATH"),
    ],
)
def test_a_missing_tool_is_reported_in_one_sentence_and_nothing_is_installed(tmp_path, stubs, sentence):
    ended = make(tmp_path, **stubs)
    complaints = [line for line in ended.stderr.splitlines() if not line.startswith("make: ***")]
    assert ended.returncode != 0
    assert len(complaints) == 1
    assert sentence in complaints[0]
    assert not (tmp_path / ".venv").exists()
    assert not (tmp_path / "node_modules").exists()


def test_a_pip_that_fails_is_one_sentence_and_its_text_is_kept(tmp_path):
    pip = "mkdir -p .venv/bin; printf '#!/bin/sh\\necho noise; echo ERROR: no network; exit 1\\n' >.venv/bin/python"
    script = f'[ "$2" = venv ] || exit 0; PATH=/usr/bin:/bin; {pip}; chmod +x .venv/bin/python'
    ended = make(tmp_path, **{"python3.13": script})
    assert ended.returncode != 0
    assert "make: pip could not install the packages: ERROR: no network (all of it: .venv/pip.log)\n" in ended.stderr
    assert "noise" not in ended.stdout + ended.stderr
