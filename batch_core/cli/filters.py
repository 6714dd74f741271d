"""Which tasks a command is about: the filters of `GET /api/tasks` as options."""

import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from cyclopts import Parameter

from batch_core.cli.times_said import day_said, duration_said
from batch_core.cli.usage import UsageError
from batch_core.errors import InvalidRequest
from batch_core.http.task_lists import DAY_RULE, ListRequest
from batch_core.listing import TaskQuery


def option(words: str, metavar: str) -> Parameter:
    """Return an option that is left out, or has a value."""
    return Parameter(help=words, metavar=metavar, show_default=False)


#: What shells complete; several, with commas, are text.
type State = Literal["queued", "submitted", "succeeded", "failed", "output_lost", "cancelled", "rejected"]
type _States = State | str
_STATE: Final = Parameter(
    help="Such as failed, or several: queued,submitted.", metavar="STATES", show_default=False, show_choices=False
)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Filters:
    """Which tasks are meant: those that match all of these."""

    state: Annotated[_States | None, _STATE] = None
    day: Annotated[str | None, option("When files were modified, in UTC: 2026-11-30, today or yesterday.", "DAY")] = (
        None
    )
    route: Annotated[str | None, option("The route that took the file.", "NAME")] = None
    prefix: Annotated[str | None, option("How the file's name begins.", "TEXT")] = None

    @property
    def are_given(self) -> bool:
        """Whether any of them is."""
        return any(value is not None for value in vars(self).values())

    @property
    def empty(self) -> list[str]:
        """Those that are given and say nothing."""
        return [name for name, value in vars(self).items() if value == ""]

    def query(self) -> TaskQuery:
        """Return what they ask for; raises `UsageError`, which names the options."""
        try:
            return ListRequest.parse(self._asked()).query
        except InvalidRequest as exc:
            raise UsageError(as_options(exc)) from exc

    def _asked(self) -> dict[str, str]:
        """Return them as the HTTP API takes them."""
        said = {name: value for name, value in asdict(self).items() if value is not None}
        if self.day:
            said["day"] = day_said(self.day, datetime.now(UTC).date())
        if "waiting" in said:
            said["waiting"] = duration_said(said["waiting"])
        return said


ALL = Filters()
#: What the command line takes beside what the HTTP API does.
_RULES: Final = {
    DAY_RULE: f"{DAY_RULE}, or today or yesterday",
    "an ISO 8601 duration such as PT10M": "a duration such as 10m, 2h or 1d, or one of ISO 8601 such as PT10M",
}


def as_options(error: InvalidRequest) -> str:
    """Return what is wrong with a request as what is wrong with a command: its words are options here."""
    return "; ".join(re.sub(r"'(\w+)'", r"--\1", _with_rules(problem), count=1) for problem in error.problems)


def _with_rules(problem: str) -> str:
    for rule, ours in _RULES.items():
        problem = problem.replace(f"must be {rule}", f"must be {ours}")
    return problem
