"""What is wrong with values of `routes.toml` that have the right type.

Each function returns the ends of sentences that begin with the place of the value.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Final

from isodate import duration_isoformat

from batch_core.config.globs import glob_problem
from batch_core.config.setting_references import begins_with_setting
from batch_core.config.task_command import command_problem
from batch_core.naming import INPUT_FOLDER
from batch_core.redaction import shown

POOL_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: Names that Batch or this app gives: https://learn.microsoft.com/azure/batch/batch-compute-node-environment-variables.
_GIVEN_VARIABLES: Final = re.compile(r"AZ_BATCH_.*|INPUT_(FILE|FOLDER|BLOB|CONTAINER|METADATA_.*)", re.IGNORECASE)
_LONGEST: Final = timedelta(days=180)


def wrong_globs(match: str | list[str]) -> list[str]:
    globs = [match] if isinstance(match, str) else match
    return [f"{shown(glob)} {problem}" for glob in globs if (problem := glob_problem(glob))]


def wrong_command(command: str) -> list[str]:
    problem = "is blank" if not command.strip() else command_problem(command)
    return [problem] if problem else []


def wrong_route_command(command: str) -> list[str]:
    """Check a command that may be empty where a container's entry point takes its place."""
    return wrong_command(command) if command else []


def wrong_duration(shortest: timedelta) -> Callable[[timedelta], list[str]]:
    def wrong(duration: timedelta) -> list[str]:
        if shortest <= duration <= _LONGEST:
            return []
        return [f"is {duration_isoformat(duration)}: it must be from {duration_isoformat(shortest)} to P180D"]

    return wrong


def wrong_environment(environment: Mapping[str, str]) -> list[str]:
    wrong = [f"names {shown(name)}, which is no name of a variable" for name in environment if not _is_variable(name)]
    given = [f"names {name}, which Batch or the app sets" for name in environment if _GIVEN_VARIABLES.fullmatch(name)]
    return wrong + given


def wrong_pool_ids(pools: Mapping[str, object]) -> list[str]:
    wrong = [
        f"has a pool called {shown(name)}: an id is 1 to 64 letters, digits, hyphens and underscores"
        for name in pools
        if not POOL_ID.fullmatch(name)
    ]
    lower = [name.lower() for name in pools]
    return wrong + [f"has {name!r} twice, but for capitals" for name in set(lower) if lower.count(name) > 1]


def _leads_elsewhere(path: str) -> bool:
    return path.startswith(("/", "\\")) or ".." in path.replace("\\", "/").split("/") or "\0" in path


def wrong_path(path: str) -> list[str]:
    if _leads_elsewhere(path):
        return [f"is {shown(path)}: it must be relative, and lead nowhere else"]
    if path.replace("\\", "/").partition("/")[0] == INPUT_FOLDER:
        return [f"is {shown(path)}: the folder {INPUT_FOLDER} is the input file's"]
    return []


def wrong_outputs(patterns: Sequence[str]) -> list[str]:
    wrong = [pattern for pattern in patterns if _leads_elsewhere(pattern)]
    return [f"has {shown(pattern)}: a pattern must be relative, and lead nowhere else" for pattern in wrong]


def wrong_url(url: str) -> list[str]:
    is_url = not url or url.startswith(("https://", "http://")) or begins_with_setting(url)
    return [] if is_url else ["is no URL: it begins with https://"]


def _is_variable(name: str) -> bool:
    return _VARIABLE.fullmatch(name) is not None
