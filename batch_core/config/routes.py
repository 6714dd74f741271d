"""What happens to which file: an ordered list of routes, of which the first that matches a blob's name takes it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from typing import Any, Final

from batch_core.config.globs import compiled
from batch_core.config.pools import Pool
from batch_core.config.settings import Settings
from batch_core.problems import instead
from batch_core.redaction import shown

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


class OutputsOn(StrEnum):
    """When a node uploads a task's output files."""

    SUCCESS = "success"
    FAILURE = "failure"
    COMPLETION = "completion"


@dataclass(frozen=True, kw_only=True)
class Resource:
    """Something that a node downloads beside the file: one of `url`, `container` and `auto_storage` is set.

    `url` and `container` may hold a SAS, and `path` is relative to the task's working directory.
    """

    url: str = field(default="", repr=False)
    container: str = field(default="", repr=False)
    auto_storage: str = ""
    prefix: str = ""
    path: str = ""
    #: It is read as the identity that POOL_IDENTITY_RESOURCE_ID names.
    uses_identity: bool = False


class Stdout(StrEnum):
    """How what a command prints gets into the output container, standard error as well."""

    #: The app copies it from the node.
    COPY = "copy"
    #: The node uploads it when the command has ended, so that a node that vanishes loses nothing.
    UPLOAD = "upload"


class Inputs(StrEnum):
    """What a task of the route gets."""

    #: The file that matches.
    FILE = "file"
    #: What matches is a marker: all files of its folder, and of folders in that, are one task's, and make no other.
    FOLDER = "folder"


class InputAfter(StrEnum):
    """What becomes of a file whose record has succeeded."""

    KEEP = "keep"
    #: This very version is deleted; files of every other end stay.
    DELETE = "delete"


@dataclass(frozen=True, kw_only=True)
class ContainerImage:
    """What a command runs in; `options` are those of `docker run`."""

    name: str
    options: str
    #: It is pulled as the identity that POOL_IDENTITY_RESOURCE_ID names.
    uses_identity: bool

    @property
    def registry(self) -> str:
        """The server of the image; Docker Hub's where its name has none."""
        first, slash, _ = self.name.partition("/")
        return first if slash and (("." in first) or (":" in first)) else "docker.io"


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
    inputs: Inputs = Inputs.FILE
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
    #: How often its file is run again, as a new task, if its output is lost.
    lost_output_retries: int = 0
    run_as: RunAs = RunAs.TASK
    is_elevated: bool = False
    #: As the node gets them; and as the file says them, with names of settings.
    resources: tuple[Resource, ...] = ()
    said_resources: tuple[Mapping[str, object], ...] = field(default=(), repr=False)
    #: Patterns of files that the node uploads, relative to the task's working directory.
    outputs: tuple[str, ...] = ()
    outputs_on: OutputsOn = OutputsOn.SUCCESS
    container: ContainerImage | None = None
    stdout: Stdout = Stdout.COPY
    input_after: InputAfter = InputAfter.KEEP
    #: Other properties of its tasks, as Batch names them; and as the file says them, with names of settings.
    verbatim: Mapping[str, Any] = field(default_factory=dict, repr=False)
    said_verbatim: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def match_of(self, blob_name: str) -> str | None:
        """Return the first glob that matches the whole name, None if none does."""
        return next((glob for glob in self.globs if compiled(glob).matches(blob_name)), None)

    def has_in_folder(self, blob_name: str) -> bool:
        """Return whether a blob lies where a marker of this route would take it along."""
        return self.inputs is Inputs.FOLDER and any(compiled(glob).matches(blob_name) for glob in self._folder_globs)

    def is_marker(self, blob_name: str) -> bool:
        """Return whether a blob, in any folder, is called as the markers of this route are."""
        return self.inputs is Inputs.FOLDER and _last_part(blob_name) in {_last_part(glob) for glob in self.globs}

    def why_not_by_hand(self, blob_name: str) -> str | None:
        """Return why a person cannot have this route take a blob, as a sentence; None: it takes it.

        A folder's task leaves its marker out: so a file that is none would be left out without a word.
        """
        if self.inputs is Inputs.FILE or self.is_marker(blob_name):
            return None
        return f"{self.name} takes folders: name {self.marker_for(blob_name)}"

    def marker_for(self, blob_name: str) -> str:
        """Return what to name for the folder that a blob is in: its marker, or what the markers match."""
        folders = blob_name.split("/")[:-1]
        markers = [
            "/".join([*folders[:depth], _last_part(glob)])
            for depth in range(len(folders), -1, -1)
            for glob in self.globs
        ]
        found = next((marker for marker in markers if self.match_of(marker) is not None), None)
        return f"its marker, {found}" if found else f"a marker, which {' or '.join(self.globs)} matches"

    @cached_property
    def _folder_globs(self) -> tuple[str, ...]:
        """Everything below the folders that markers may lie in."""
        return tuple("/".join([*glob.split("/")[:-1], "**"]) for glob in self.globs)

    @cached_property
    def digest(self) -> str:
        """Twelve hex digits: the same wherever the same is done to a file, whatever the route is called or matches.

        The value of a setting that the environment names is no part of it: a token that is renewed changes no route.
        """
        said: list[object] = [
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
        # Only where there are some, so that a route without them keeps the digest that it had before they were words.
        if self.said_resources:
            said.append({"resources": list(self.said_resources)})
        if self.inputs is not Inputs.FILE:
            said.append({"inputs": self.inputs})
        if self.outputs:
            said.append({"outputs": [*self.outputs, self.outputs_on]})
        if self.input_after is not InputAfter.KEEP:
            said.append({"input_after": self.input_after})
        if self.stdout is not Stdout.COPY:
            said.append({"stdout": self.stdout})
        if self.lost_output_retries:
            said.append({"lost_output_retries": self.lost_output_retries})
        if self.said_verbatim:
            said.append({"batch": self.said_verbatim})
        if self.container:
            said.append({"container": asdict(self.container)})
        return sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:_DIGEST_LENGTH]


@dataclass(frozen=True, kw_only=True)
class Routes:
    """The routes in their order, the settings' route last where files may fall through to it."""

    routes: tuple[Route, ...]
    unmatched: Unmatched
    #: The pools that the routes name, and the others of the file.
    pools: tuple[Pool, ...]

    def for_blob(self, blob_name: str) -> Route | None:
        """Return the route by which this blob makes a task, None if there is none."""
        route = self._first(blob_name)
        return None if route is None or route.match_of(blob_name) is None else route

    def folder_route(self, blob_name: str) -> Route | None:
        """Return the route that takes this blob as a file of a folder, when the folder's marker comes."""
        route = self._first(blob_name)
        return None if route is None or route.match_of(blob_name) is not None else route

    def why_ignored(self, blob_name: str) -> str | None:
        """Return why a blob makes no task and no record, as a sentence; None: it does."""
        route = self._first(blob_name)
        if route is None and self.unmatched is Unmatched.IGNORE:
            return f"no route takes blob {blob_name!r}, and what none takes is ignored"
        if route is not None and route.match_of(blob_name) is None:
            return f"blob {blob_name!r} is a file of a folder, which route {route.name!r} takes when its marker comes"
        return None

    def remedy(self, blob_name: str) -> str:
        """Return what a person who wants an ignored blob to be taken can do, as the end of a sentence."""
        route = self.folder_route(blob_name)
        if route is None:
            return "name the route that is to take it"
        return f"name {route.marker_for(blob_name)}, or another route, which takes this file alone"

    def _first(self, blob_name: str) -> Route | None:
        return next((one for one in self.routes if one.match_of(blob_name) or one.has_in_folder(blob_name)), None)

    def named(self, name: str) -> Route | None:
        return self._by_name.get(name)

    def why_no_route(self, name: str) -> str:
        """Return, as the problem of a request, that no route has this name, and which was probably meant."""
        return f"'route' is {shown(name)}, which is no route: {instead(name, self._by_name)}"

    @cached_property
    def digest(self) -> str:
        """Twelve hex digits: the same wherever the same is done to the same files."""
        said = [[route.name, *route.globs, route.digest] for route in self.routes]
        return sha256(json.dumps([self.unmatched, said]).encode()).hexdigest()[:_DIGEST_LENGTH]

    @cached_property
    def _by_name(self) -> dict[str, Route]:
        return {route.name: route for route in self.routes}


def _last_part(name: str) -> str:
    return name.rpartition("/")[2]


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
