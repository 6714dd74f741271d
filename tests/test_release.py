"""A release is what its tag, its version and its changelog agree on."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import batch_emulator

ROOT = Path(__file__).parent.parent
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_the_emulator_is_released_with_the_app():
    assert batch_emulator.__version__ == VERSION


@pytest.fixture
def notes(tmp_path):
    (tmp_path / ".github").mkdir()
    shutil.copy(ROOT / ".github/release_notes.py", tmp_path / ".github")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)

    def run(tag, changelog):
        (tmp_path / "CHANGELOG.md").write_text(changelog)
        command = [sys.executable, tmp_path / ".github/release_notes.py", tag]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run


def test_the_notes_are_the_section_of_the_version(notes):
    released = f"## [{VERSION}] - 2026-12-01\n\n### Added\n\n- This.\n\n"
    text = f"# Changelog\n\n## [Unreleased]\n\nlater\n\n{released}## [0.0.1]\n\nold\n"
    assert notes(f"v{VERSION}", text).stdout == "### Added\n\n- This.\n"


@pytest.mark.parametrize(
    ("tag", "changelog", "complaint"),
    [
        ("v99.0.0", f"## [{VERSION}]\n\n- This.\n", "The tag is v99.0.0"),
        (f"v{VERSION}", "## [Unreleased]\n\n- This.\n", f"CHANGELOG.md has no section [{VERSION}]"),
        (f"v{VERSION}", f"## [{VERSION}]\n\n## [0.0.1]\n\n- This.\n", f"CHANGELOG.md has no section [{VERSION}]"),
    ],
)
def test_what_disagrees_stops_the_release(notes, tag, changelog, complaint):
    result = notes(tag, changelog)
    assert result.returncode == 1
    assert result.stderr.startswith(complaint)
    assert result.stdout == ""
