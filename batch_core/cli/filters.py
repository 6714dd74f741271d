"""Which tasks a command is about: the filters of `GET /api/tasks` as options."""

import re
from dataclasses import asdict, dataclass
from typing import Annotated

from cyclopts import Parameter

from batch_core.cli.usage import UsageError
from batch_core.errors import InvalidRequest
from batch_core.http.task_lists import ListRequest
from batch_core.listing import TaskQuery


def option(words: str, metavar: str) -> Parameter:
    """Return an option that is left out, or has a value."""
    return Parameter(help=words, metavar=metavar, show_default=False)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Filters:
    """Which tasks are meant: those that all of these fit."""

    state: Annotated[str, option("Such as failed, or several: queued,submitted.", "STATES")] = ""
    day: Annotated[str, option("When files were modified, in UTC, such as 2026-11-30.", "DAY")] = ""
    route: Annotated[str, option("The route that took the file.", "NAME")] = ""
    prefix: Annotated[str, option("How the file's name begins.", "TEXT")] = ""

    @property
    def are_given(self) -> bool:
        """Whether any of them is."""
        return any(vars(self).values())

    def query(self) -> TaskQuery:
        """Return what they ask for; raises `UsageError`, which names the options."""
        try:
            return ListRequest.parse(asdict(self)).query
        except InvalidRequest as exc:
            raise UsageError(as_options(exc)) from exc


ALL = Filters()


def as_options(error: InvalidRequest) -> str:
    """Return what is wrong with a request as what is wrong with a command: its words are options here."""
    return "; ".join(re.sub(r"'(\w+)'", r"--\1", problem, count=1) for problem in error.problems)
