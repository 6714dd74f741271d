"""The application packages of the account: a directory, because there is no management plane here.

`<directory>/<application id>/<version>.zip` is a package; the file `<directory>/<application id>/default`, if
it exists, holds the version that is used where a reference names none. The directory is read for each
request, so that packages can be added while the emulator runs.

https://learn.microsoft.com/azure/batch/batch-application-packages
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from batch_emulator.errors import BatchError, ErrorCode

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VERSION: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_DEFAULT: Final = "default"


@dataclass(frozen=True, kw_only=True)
class Package:
    """One version of an application. `variable` names the directory of the package to tasks.

    Of the names on Linux nodes: "Periods (.), hyphens (-) and number signs (#) are flattened to
    underscores" and "the case of the application ID" is preserved.
    """

    application_id: str
    version: str
    archive: Path
    variable: str


@dataclass(frozen=True, kw_only=True)
class Application:
    """An application and its packages' versions, in the order of their names."""

    id: str
    directory: Path
    versions: tuple[str, ...]

    @property
    def default_version(self) -> str | None:
        try:
            text = (self.directory / _DEFAULT).read_text().strip()
        except (OSError, UnicodeDecodeError):
            return None
        return text or None

    def package(self, version: str | None) -> Package | None:
        """Return the package of a version, of the default version for None."""
        wanted = (version or self.default_version or "").lower()
        for known in self.versions:
            if known.lower() == wanted:
                archive = self.directory / f"{known}.zip"
                variable = _variable(self.id, known if version else None)
                return Package(application_id=self.id, version=known, archive=archive, variable=variable)
        return None


def _variable(application_id: str, version: str | None) -> str:
    name = f"{application_id}_{version}" if version else application_id
    return f"AZ_BATCH_APP_PACKAGE_{re.sub('[.#-]', '_', name)}"


@dataclass(frozen=True, kw_only=True)
class Applications:
    """All applications of the account; none where the directory does not exist."""

    root: Path

    def __iter__(self) -> Iterator[Application]:
        """Yield the applications in the order of their ids."""
        try:
            directories = [entry for entry in self.root.iterdir() if _ID.fullmatch(entry.name) and entry.is_dir()]
        except OSError:
            return
        for directory in sorted(directories, key=lambda entry: entry.name.lower()):
            yield Application(id=directory.name, directory=directory, versions=_versions(directory))

    def get(self, application_id: str) -> Application | None:
        return next((each for each in self if each.id.lower() == application_id.lower()), None)

    def find(self, reference: Mapping[str, str]) -> Package | None:
        """Return the package that an application package reference means, None where there is none.

        Pools name the whole resource (`/subscriptions/.../applications/<id>`); its last part is the id.
        """
        application = self.get(reference["applicationId"].rpartition("/")[2])
        return application.package(reference.get("version")) if application else None

    def check(self, references: Iterable[Mapping[str, str]]) -> None:
        """Raise InvalidApplicationPackageReferences unless every reference means a package."""
        for reference in references:
            if self.find(reference) is None:
                raise BatchError(ErrorCode.INVALID_APPLICATION_PACKAGE_REFERENCES, **reference)

    def check_named(self, references: Iterable[Mapping[str, str]]) -> None:
        """Check references of a task: one without a version fails only when the task is run.

        Source: SDK documentation of BatchApplicationPackageReference.version.
        """
        self.check(reference for reference in references if "version" in reference)


def _versions(directory: Path) -> tuple[str, ...]:
    names = [entry.stem for entry in directory.glob("*.zip") if entry.is_file() and _VERSION.fullmatch(entry.stem)]
    return tuple(sorted(names, key=str.lower))
