"""What happens to which file: an ordered list of routes, of which the first that matches a blob's name takes it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from typing import Final

from batch_core.config.globs import compiled
from batch_core.config.pools import Pool
from batch_core.config.settings import Settings

#: The name of the route that the settings are; no route of a file may have it.
SETTINGS_ROUTE: Final = "settings"
_DIGEST_LENGTH: Final = 12


class Unmatched(StrEnum):
    """What happens to a file that no route of the file matches."""

    #: The settings are the last route: `TASK_COMMAND_LINE` on the pool `BATCH_POOL_ID`.
    SETTINGS = "settings"
    #: It is left alone, as if it were not there.
    IGNORE = "ignore"
    #: It is recorded as rejected.
    REJECT = "reject"


class RunAs(StrEnum):
    """Whose account a command runs under: https://learn.microsoft.com/azure/batch/batch-user-accounts."""

    #: A user of its own for each task, who sees nothing of the others.
    TASK = "task"
    #: A user that all tasks of a node share.
    POOL = "pool"


@dataclass(frozen=True, kw_only=True)
class JobKind:
    """What tasks of one job have in common: their pool, and their priority from -1000 to 1000 (0: Batch's default)."""

    pool_id: str
    priority: int = 0


@dataclass(frozen=True, kw_only=True)
class Route:
    """What happens to the files that it takes."""

    name: str
    globs: tuple[str, ...]
    command_line: str
    job_kind: JobKind
    max_wall_clock_time: timedelta
    retention_time: timedelta
    #: As the file says it, with names of settings such as `%TOKEN%`; and as the command gets it.
    said_environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    task_slots: int = 1
    #: How often Batch runs the command again that fails.
    retries: int = 0
    run_as: RunAs = RunAs.TASK
    is_elevated: bool = False

    def match_of(self, blob_name: str) -> str | None:
        """Return the first glob that matches the whole name, None if none does."""
        return next((glob for glob in self.globs if compiled(glob).matches(blob_name)), None)

    @cached_property
    def digest(self) -> str:
        """Twelve hex digits: the same wherever the same is done to a file, whatever the route is called or matches.

        The value of a setting that the environment names is no part of it: a token that is renewed changes no route.
        """
        said = [
            self.command_line,
            self.job_kind.pool_id.lower(),
            self.job_kind.priority,
            dict(self.said_environment),
            self.task_slots,
            self.retries,
            self.max_wall_clock_time.total_seconds(),
            self.retention_time.total_seconds(),
            self.run_as,
            self.is_elevated,
        ]
        return sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:_DIGEST_LENGTH]


@dataclass(frozen=True, kw_only=True)
class Routes:
    """The routes in their order, the settings' route last where files may fall through to it."""

    routes: tuple[Route, ...]
    unmatched: Unmatched
    #: The pools that the routes name, and the others of the file.
    pools: tuple[Pool, ...]

    def for_blob(self, blob_name: str) -> Route | None:
        """Return the route that takes this blob, None if none does."""
        return next((route for route in self.routes if route.match_of(blob_name) is not None), None)

    def named(self, name: str) -> Route | None:
        return self._by_name.get(name)

    @cached_property
    def _by_name(self) -> dict[str, Route]:
        return {route.name: route for route in self.routes}


def settings_route(settings: Settings) -> Route:
    """Return what the settings say, as the route of every file."""
    return Route(
        name=SETTINGS_ROUTE,
        globs=("**",),
        command_line=settings.task.command_line,
        job_kind=JobKind(pool_id=settings.pool.id),
        max_wall_clock_time=settings.task.max_wall_clock_time,
        retention_time=settings.task.retention_time,
    )
