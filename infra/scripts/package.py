"""Build what is deployed, as a folder and a zip: the app's own files and its packages, for Linux and Python 3.13.

    python infra/scripts/package.py [FOLDER]     build/app, unless another folder is named, and the zip beside it

What runs this does not matter: any system, any Python from 3.9 on that has pip. Wheels are chosen for the machine that
runs the app, and nothing is compiled. A folder of its own, made of a list of what belongs into it, cannot hold what
somebody has left in the checkout: a list of what to leave out can.

Azure's own build is not used: on Flex Consumption it ran Python 3.11 for an app of 3.13
(https://github.com/Azure/azure-dev/issues/8538).
"""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: Where azure.yaml's `dist` finds it.
FOLDER = ROOT / "build" / "app"

#: What is deployed, if it exists: routes.toml is its user's own.
FILES = ("function_app.py", "host.json", "LICENSE", "routes.toml")
PACKAGE = "batch_core"
#: Of the package, what only people run.
LEFT_OUT = ("cli", "__main__.py", "__pycache__")

#: Where the worker looks for an app's packages
#: (https://learn.microsoft.com/azure/azure-functions/functions-reference-python#folder-structure).
SITE_PACKAGES = ".python_packages/lib/site-packages"
PYTHON = "3.13"
#: Python 3.13 runs on Debian 12, whose glibc is 2.36 (host/4/bookworm/python/python313 of
#: https://github.com/Azure/azure-functions-docker). A wheel for the building machine's own glibc may not load there, as
#: one of cryptography did not (https://github.com/Azure/azure-functions-python-worker/issues/1651).
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64", "manylinux_2_5_x86_64")
#: The earliest time that a zip can hold: the same files make the same archive.
TIME = (1980, 1, 1, 0, 0, 0)


def main(folder: Path) -> None:
    """Build into a folder, whatever was in it before goes."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    copy_app(folder)
    install_packages(folder / SITE_PACKAGES)
    archive = folder.with_name(f"{folder.name}.zip")
    write_archive(folder, archive)
    print(f"{archive}: {archive.stat().st_size / 2**20:.0f} MiB, as the folder beside it")


def copy_app(folder: Path) -> None:
    for name in FILES:
        if (ROOT / name).is_file():
            shutil.copyfile(ROOT / name, folder / name)
    ignore = shutil.ignore_patterns(*LEFT_OUT)
    shutil.copytree(ROOT / PACKAGE, folder / PACKAGE, ignore=ignore, copy_function=shutil.copyfile)


def install_packages(folder: Path) -> None:
    """Install what requirements.txt pins; raises SystemExit with pip's own words where a wheel cannot be had."""
    platforms = [word for platform in PLATFORMS for word in ("--platform", platform)]
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
        *("--target", str(folder), "--no-compile", "--no-deps", "--require-hashes"),
        *("--only-binary=:all:", "--implementation", "cp", "--python-version", PYTHON, *platforms),
        *("--requirement", str(ROOT / "requirements.txt")),
    ]
    found = subprocess.run(command, check=False, capture_output=True, text=True)
    if found.returncode:
        raise SystemExit(f"pip could not get the packages for Linux and Python {PYTHON}:\n{found.stderr.strip()}")
    # The programs of packages begin with a line that names this machine's Python.
    shutil.rmtree(folder / "bin", ignore_errors=True)


def write_archive(folder: Path, archive: Path) -> None:
    """Write the zip: sorted, without times and owners, readable by everybody."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as written:
        files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
        for name, file in sorted(files.items()):
            entry = zipfile.ZipInfo(name, TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            written.writestr(entry, file.read_bytes())


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
