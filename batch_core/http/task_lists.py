"""Lists of tasks by HTTP: what a request asks for, and the page that answers it."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import isodate

from batch_core.errors import InvalidRequest
from batch_core.http.replies import Reply
from batch_core.listing import TaskPage, TaskQuery
from batch_core.live import Live
from batch_core.naming import MAX_BLOB_NAME_LENGTH, is_blob_name, name_length
from batch_core.problems import Problems, instead
from batch_core.services.batch_values import LiveTask
from batch_core.state.listing import Place, RecordFilter
from batch_core.state.record import OPEN_STATES, TaskRecord, TaskState
from batch_core.waiting import AT_WORK

MAX_LIMIT: Final = 200
_DEFAULT_LIMIT: Final = 50
_PARAMETERS: Final = ("state", "day", "route", "prefix", "waiting", "limit", "continuation", "blob")
DAY_RULE: Final = "a day such as 2026-11-30"
_DAY: Final = re.compile(r"\d{4}-?\d{2}-?\d{2}", re.ASCII)
_WHOLE: Final = re.compile(r"\d{1,9}", re.ASCII)
_LONGEST_WAIT: Final = timedelta(days=3653)
#: A day as task ids have it.
_IN_ID: Final = re.compile(r"\d{8}", re.ASCII)
#: What is not shown of a record in a list: the whole is one request away.
LEFT_OUT: Final = frozenset(
    {
        *("blob_metadata", "submission", "deletes_input", "is_uploaded", "lost_output_retries", "lost_before"),
        *("route_before", "rerouted_at", "is_route_chosen", "route_digest", "obstacle", "submit_tries", "output_tries"),
        *("stderr_end", "failure_message", "failure_category", "container"),
    }
)


@dataclass(frozen=True, kw_only=True)
class ListRequest:
    """What `GET /api/tasks` asks for: a page of a list, or all attempts at one file."""

    query: TaskQuery
    place: Place | None = None
    blob: str | None = None

    @classmethod
    def parse(cls, parameters: Mapping[str, str]) -> "ListRequest":
        """Read the query of a URL; raises `InvalidRequest` with every problem at once."""
        problems = Problems()
        for name in sorted(parameters.keys() - {*_PARAMETERS, "code"}):
            problems.note(f"{name!r} is not known: {instead(name, _PARAMETERS)}")

        def read[T](name: str, convert: Callable[[str], T], rule: str) -> T | None:
            text = parameters.get(name, "")
            try:
                return convert(text) if text else None
            except ValueError:
                problems.note(f"{name!r} is {text[:100]!r}: it must be {rule}")
                return None

        states = read("state", _states, f"one of {', '.join(TaskState)}, or several with commas")
        waiting = read("waiting", _duration, "an ISO 8601 duration such as PT10M, of ten years at most")
        limit = read("limit", _limit, f"a whole number from 1 to {MAX_LIMIT}")
        day = read("day", day_of, DAY_RULE)
        place = read("continuation", _place, "what an earlier page was answered with")
        prefix = read("prefix", _name, "the beginning of a blob's name")
        route = read("route", _name, "the name of a route")
        blob = read("blob", _name, "the name of a blob")
        if waiting is not None and states and not states <= OPEN_STATES:
            problems.note("'waiting' goes with the states queued and submitted alone: no other waits")
        if blob is not None and (others := sorted(parameters.keys() - {"blob", "code"})):
            problems.note(
                f"'blob' is the exact name of a file, and goes with nothing else: leave out {', '.join(others)}"
            )
        problems.raise_as(InvalidRequest)
        wanted = RecordFilter(states=states or frozenset(), route=route, prefix=prefix or "")
        query = TaskQuery(wanted=wanted, day=day, waiting=waiting, limit=limit or _DEFAULT_LIMIT)
        return cls(query=query, place=place, blob=blob)


def task_page_reply(page: TaskPage) -> Reply:
    """Return a page of tasks; `continuation` is null where the list is at its end."""
    tasks = [_task(record, page.live.get(record.task_id)) for record in page.records]
    return Reply(status=200, document={"tasks": tasks, "continuation": _token(page.next) if page.next else None})


def _task(record: TaskRecord, live: LiveTask | None) -> dict[str, object]:
    document = {name: value for name, value in asdict(record).items() if name not in LEFT_OUT}
    return document | {"reason": _reason(record, live), "live": asdict(_live(live)) if live else None}


def _reason(record: TaskRecord, live: LiveTask | None) -> str | None:
    """Return why a task is where it is, as its own page says it: of one at work what Batch says now.

    Of one that waits, what was written down says more than a list of tasks does.
    """
    is_our_doing = record.cancel_requested_at or record.output_tries
    if live is None or is_our_doing or (record.reason and live.state not in AT_WORK):
        return record.reason
    return _live(live).reason


def _live(task: LiveTask) -> Live:
    reason = AT_WORK.get(task.state, "it waits for a node")
    return Live(state=task.state, reason=reason, node_id=task.node_id, started_at=task.started_at)


def _states(text: str) -> frozenset[TaskState]:
    return frozenset(TaskState(part.strip()) for part in text.split(","))


def _duration(text: str) -> timedelta:
    try:
        found = isodate.parse_duration(text)
    except OverflowError as exc:
        raise ValueError(text) from exc
    if not isinstance(found, timedelta) or not timedelta(0) <= found <= _LONGEST_WAIT:
        raise ValueError(text)
    return found


def _limit(text: str) -> int:
    if not _WHOLE.fullmatch(text) or not 1 <= int(text) <= MAX_LIMIT:
        raise ValueError(text)
    return int(text)


def day_of(text: str) -> str:
    """Return a day as task ids have it; raises ValueError."""
    if not _DAY.fullmatch(text):
        raise ValueError(text)
    plain = text.replace("-", "")
    return f"{datetime.strptime(plain, '%Y%m%d').replace(tzinfo=UTC):%Y%m%d}"


def _name(text: str) -> str:
    if name_length(text) > MAX_BLOB_NAME_LENGTH or not is_blob_name(text):
        raise ValueError(text)
    return text


def _token(place: Place) -> str:
    keys = [place.day, place.after, place.partition_key, place.row_key]
    return base64.urlsafe_b64encode(json.dumps(keys).encode()).decode()


def _place(token: str) -> Place:
    """Read a continuation. Raises ValueError for what `_token` has not made."""
    try:
        found = json.loads(base64.urlsafe_b64decode(token.encode("ascii")))
    except (binascii.Error, UnicodeError, RecursionError) as exc:
        raise ValueError(token) from exc
    match found:
        case [str() as day, str() as after, str() as partition, str() as row] if (
            _IN_ID.fullmatch(day) and after.isascii() and partition.isascii() and row.isascii()
        ):
            return Place(day=day, after=after, partition_key=partition, row_key=row)
    raise ValueError(token)
