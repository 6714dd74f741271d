"""Unpacks application packages on nodes."""

import asyncio
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final
from uuid import uuid4

from batch_emulator.applications import Applications, Package
from batch_emulator.execution.directories import NodeDirectory
from batch_emulator.execution.outcome import package_failure

#: Where a zip archive made on Unix keeps a file's mode.
_MODE_SHIFT: Final = 16
_PERMISSIONS: Final = 0o777
#: What every unpacked file can be at least: read and written by its owner.
_LEAST_MODE: Final = 0o600


class Packages:
    """Puts packages into the directory `applications` of nodes, each once."""

    def __init__(self, applications: Applications) -> None:
        self._applications = applications

    async def install(self, references: Iterable[Mapping[str, str]], node: NodeDirectory) -> dict[str, str]:
        """Unpack what the references mean and return the variables that name the directories.

        A package that is there already is left as it is. Raises RunError.
        """
        variables = {}
        for reference in references:
            package = self._applications.find(reference)
            if package is None:
                raise package_failure(_shown(reference), "There is no such package, or no default version")
            target = node.applications / package.application_id / package.version
            if not target.exists():
                await asyncio.to_thread(_unpack, package, target)
            variables[package.variable] = str(target)
        return variables


def _shown(reference: Mapping[str, str]) -> str:
    return f"{reference['applicationId']} {reference.get('version', '')}".rstrip()


def _unpack(package: Package, target: Path) -> None:
    """Unpack beside the target and rename: the target is there as a whole or not at all."""
    beside = target.with_name(f".{target.name}.{uuid4().hex}")
    try:
        with zipfile.ZipFile(package.archive) as archive:
            for entry in archive.infolist():
                _extract(archive, entry, beside)
        beside.mkdir(parents=True, exist_ok=True)
        beside.rename(target)
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as exc:
        # Two tasks may want the same package at once: the first one to finish has made it.
        if not target.exists():
            raise package_failure(f"{package.application_id} {package.version}", str(exc)) from exc
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, directory: Path) -> None:
    """Unpack one file with its mode; `extract` keeps names that lead elsewhere inside the directory."""
    path = Path(archive.extract(entry, directory))
    mode = entry.external_attr >> _MODE_SHIFT & _PERMISSIONS
    if mode and path.is_file():
        path.chmod(mode | _LEAST_MODE)
