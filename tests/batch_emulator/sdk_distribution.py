"""The tests in the source distribution of azure-batch, fetched once into the checkout."""

import hashlib
import subprocess
import sys
import tarfile
from pathlib import Path

#: Kept out of version control; remove it and the next run downloads again.
CACHE = Path(__file__).parents[2] / ".sdk-tests"

_VERSION = "15.1.0"
_SHA256 = "2f684d176b457b7213535e145180a914ed6844b2d1066fcc22ac88c3ac9e3fa5"
_ARCHIVE = f"azure_batch-{_VERSION}.tar.gz"
#: Ours take the place of these.
_REPLACED = frozenset({"batch_preparers.py", "decorators.py"})


class Unavailable(Exception):
    """The distribution cannot be downloaded, or is not the one that was pinned."""


def unpack_tests() -> Path:
    """Return a folder with the distribution's tests, but for the modules that are replaced. Raises Unavailable."""
    CACHE.mkdir(exist_ok=True)
    archive = CACHE / _ARCHIVE
    if not archive.exists():
        _download()
    if hashlib.sha256(archive.read_bytes()).hexdigest() != _SHA256:
        raise Unavailable(f"{archive} is not the distribution whose hash is pinned here: remove it and run again")
    folder = CACHE / f"azure-batch-{_VERSION}"
    folder.mkdir(exist_ok=True)
    with tarfile.open(archive) as distribution:
        for member in distribution:
            path = Path(member.name)
            if path.parent.name == "tests" and path.suffix == ".py" and path.name not in _REPLACED:
                (folder / path.name).write_bytes(distribution.extractfile(member).read())
    return folder


def _download() -> None:
    pinned = CACHE / "pinned.txt"
    pinned.write_text(f"azure-batch=={_VERSION} --hash=sha256:{_SHA256}\n")
    options = ["--no-deps", "--no-binary", ":all:", "--require-hashes", "--requirement", str(pinned)]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(CACHE), *options]
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    if outcome.returncode:
        raise Unavailable(
            f"The source distribution of azure-batch {_VERSION}, whose tests run against the emulator, cannot be "
            f"downloaded. Run again with network access, or put {_ARCHIVE} into {CACHE}.\n{outcome.stderr}"
        )
