"""Which dropped files the app takes by themselves, and why it leaves the others alone: by settings and routes."""

from dataclasses import dataclass

from batch_core.config.route_book import RouteBook
from batch_core.config.settings import Settings
from batch_core.errors import RoutesError
from batch_core.naming import BlobVersion
from batch_core.services import verbatim
from local.settings_file import AppSettings


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What the app decides on, from the same settings and routes; the routes are read again when they change."""

    settings: Settings
    book: RouteBook

    @classmethod
    def by(cls, settings: AppSettings) -> "Taken":
        """Decide as an app with these settings does; raises `SettingsFileError`."""
        return cls(settings=settings.validated(), book=RouteBook(settings.values, verbatim.problems))

    def has_route(self, name: str) -> bool:
        """Return whether a blob of this name gets a task that runs; False while the routes cannot be read."""
        try:
            return self.book.routes(self.settings).for_blob(name) is not None
        except RoutesError:
            return False

    def why_ignored(self, name: str) -> str | None:
        """Return why the routes make no task of a blob of this name, as a sentence; None: they do."""
        try:
            return self.book.routes(self.settings).why_ignored(name)
        except RoutesError:
            # The app records it, with what is wrong.
            return None

    def why_no_task(self, version: BlobVersion) -> str | None:
        """Return why a version makes no task by itself, as a sentence; None: it does."""
        return self.why_ignored(version.name) or self.settings.intake.why_left_alone(version)
