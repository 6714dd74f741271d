"""Environments for clients that must not mix with the project's own packages: installed once, under .stack/."""

import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
_STACK = CHECKOUT / ".stack"


def python_environment(name: str, requirements: Path) -> Path:
    """Return the programs' directory of a virtual environment that has what the file pins."""
    folder = _STACK / name
    programs = folder / "bin"
    if _is_new(folder, requirements):
        print(f"installing {requirements.read_text().strip()} into {folder}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip = [programs / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--requirement", requirements], check=True)
        _note(folder, requirements)
    return programs


def node_environment(name: str, lock: Path) -> Path:
    """Return a folder with the packages of a package-lock.json, whose package.json is beside it."""
    folder = _STACK / name
    if _is_new(folder, lock):
        print(f"installing {lock} into {folder}", flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        for file in (lock, lock.with_name("package.json")):
            shutil.copy(file, folder)
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=folder, check=True)
        _note(folder, lock)
    return folder


def _is_new(folder: Path, pins: Path) -> bool:
    installed = folder / "installed"
    return not installed.exists() or installed.read_bytes() != pins.read_bytes()


def _note(folder: Path, pins: Path) -> None:
    shutil.copy(pins, folder / "installed")
