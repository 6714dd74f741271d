"""The routes as they are now: the file is read again when it has changed."""

from collections.abc import Mapping
from typing import Final

from batch_core.config.pools import settings_pool
from batch_core.config.routes import Routes, Unmatched, settings_route
from batch_core.config.settings import Settings
from batch_core.config.verbatim import VerbatimCheck
from batch_core.errors import RoutesError

#: What changes when a file is written; None: there is no such file.
type _Signature = tuple[int, int, int] | None


class RouteBook:
    """The routes of the settings' file, or of the settings alone where there is no file.

    A file that is mended or changed while the app runs counts from the next look on, which costs one `stat`.
    """

    def __init__(self, env: Mapping[str, str], check: VerbatimCheck) -> None:
        self._env: Final = env
        self._check: Final = check
        self._seen: tuple[Settings, _Signature] | None = None
        self._found: Routes | RoutesError | None = None

    def routes(self, settings: Settings) -> Routes:
        """Return the routes; raises `RoutesError`, with every problem, while the file is wrong."""
        signature = _signature(settings)
        if self._found is None or self._seen is None or self._seen[0] is not settings or self._seen[1] != signature:
            self._found, self._seen = self._read(settings, signature), (settings, signature)
        if isinstance(self._found, RoutesError):
            # A new one: each is raised with a traceback of its own.
            raise RoutesError(self._found.problems)
        return self._found

    def _read(self, settings: Settings, signature: _Signature) -> Routes | RoutesError:
        if signature is None and settings.routes.is_required:
            return RoutesError([f"there is no file {str(settings.routes.file)!r}, which ROUTES_FILE names"])
        if signature is None:
            pools = (settings_pool(settings.pool),)
            return Routes(routes=(settings_route(settings),), unmatched=Unmatched.SETTINGS, pools=pools)
        # Imported when there is a file: the app starts faster without.
        from batch_core.config.routes_file import read_routes  # noqa: PLC0415

        try:
            return read_routes(settings.routes.file, settings, self._env, self._check)
        except RoutesError as exc:
            return exc


def _signature(settings: Settings) -> _Signature:
    try:
        found = settings.routes.file.stat()
    except FileNotFoundError:
        return None
    except OSError:
        # Reading it says why.
        return (0, 0, 0)
    return (found.st_mtime_ns, found.st_size, found.st_ino)
