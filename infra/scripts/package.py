"""Build what is deployed, as a folder and a zip: the app's own files and its packages, for Linux and Python 3.13.

    python infra/scripts/package.py [FOLDER]     build/app, unless another folder is named, and the zip beside it

With BATCHDROP_METRICS=true in the environment, which azd gives its hooks from `azd env set`, the packages that send
metrics are among the app's (docs/operations.md#seen-in-production).

What runs this does not matter: any system, any Python from 3.9 on that has pip. Wheels are chosen for the machine that
runs the app, and nothing is compiled. A folder of its own, made of a list of what belongs into it, cannot hold what
somebody has left in the checkout: a list of what to leave out can.

Azure's own build is not used: on Flex Consumption it ran Python 3.11 for an app of 3.13
(https://github.com/Azure/azure-dev/issues/8538).
"""

import os
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
#: What azd takes for a boolean parameter, so that package and settings agree (armParameterFileValue in
#: cli/azd/pkg/infra/provisioning/bicep/bicep_provider.go of https://github.com/Azure/azure-dev).
METRICS = "BATCHDROP_METRICS"
ON = ("1", "t", "T", "true", "TRUE", "True")
OFF = ("", "0", "f", "F", "false", "FALSE", "False")
#: The earliest time that a zip can hold: the same files make the same archive.
TIME = (1980, 1, 1, 0, 0, 0)


def main(folder: Path) -> None:
    """Build into a folder, whatever was in it before goes."""
    requirements = chosen_requirements(os.environ.get(METRICS, ""))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    copy_app(folder)
    install_packages(requirements, folder / SITE_PACKAGES)
    archive = folder.with_name(f"{folder.name}.zip")
    write_archive(folder, archive)
    megabytes = archive.stat().st_size / 2**20
    print(f"{archive}: {megabytes:.0f} MiB with the packages of {requirements.name}, as the folder beside it")


def chosen_requirements(metrics: str) -> Path:
    """Return the lock file of what is installed; raises SystemExit where BATCHDROP_METRICS says neither yes nor no."""
    if metrics not in (*ON, *OFF):
        raise SystemExit(f"{METRICS} is {metrics!r}: it must be true or false")
    return ROOT / ("requirements-telemetry.txt" if metrics in ON else "requirements.txt")


def copy_app(folder: Path) -> None:
    for name in FILES:
        if (ROOT / name).is_file():
            shutil.copyfile(ROOT / name, folder / name)
    ignore = shutil.ignore_patterns(*LEFT_OUT)
    shutil.copytree(ROOT / PACKAGE, folder / PACKAGE, ignore=ignore, copy_function=shutil.copyfile)


def install_packages(requirements: Path, folder: Path) -> None:
    """Install what a lock file pins; raises SystemExit with pip's own words where a wheel cannot be had.

    Before 24.3 pip holds what a package says of its Python against the Python that runs it, not against the one that
    is named (https://github.com/pypa/pip/issues/12216). Nothing is left to choose, so it need not: versions and hashes
    are the lock file's, which was made for the app's Python.
    """
    platforms = [word for platform in PLATFORMS for word in ("--platform", platform)]
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
        *("--target", str(folder), "--no-compile", "--no-deps", "--require-hashes"),
        *("--only-binary=:all:", "--implementation", "cp", "--python-version", PYTHON, *platforms),
        "--ignore-requires-python",
        *("--requirement", str(requirements)),
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
