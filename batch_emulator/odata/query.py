"""The query options of one list request, read and checked."""

import binascii
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import urlencode

from batch_emulator.errors import invalid_parameter
from batch_emulator.odata.filter import Filter, FilterError, parse_filter
from batch_emulator.odata.sql import Parameter, Property, Since, compile_filter, lower_bound
from batch_emulator.values.documents import Document

#: Most items of one page, and the number where the request names none.
MAX_RESULTS: Final = 1000


class Row(Protocol):
    """A row of any resource."""

    @property
    def id(self) -> str: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class ListQuery:
    """A page of a list: which rows, after which id, how many.

    `condition` is SQL over the resource's columns (empty for all). Pages are cut by id, not by
    number, so rows that come or go between two pages neither repeat nor hide others. Where only rows
    `since` a time can match, they come in the order of that time (then by id): so a page costs what
    it holds, however many rows match or do not.
    """

    condition: str
    parameters: tuple[Parameter, ...]
    after: str | None
    limit: int
    since: Since | None = None

    def key(self, row: Row) -> str:
        """Return the key after which the next page starts, given the last row of this one."""
        return row.id if self.since is None else f"{getattr(row, self.since.column)} {row.id}"

    def boundary(self) -> tuple[str, tuple[str, ...]]:
        """Return the SQL condition, and its parameters, that lets a page begin after the last one."""
        if self.since is None:
            return ("id > ?", (self.after,)) if self.after is not None else ("", ())
        if self.after is None:
            return f"{self.since.column} >= ?", (self.since.time,)
        time, _, last = self.after.partition(" ")
        return f"({self.since.column}, id) > (?, ?)", (time, last)

    @property
    def order(self) -> str:
        return "id" if self.since is None else f"{self.since.column}, id"


def read_list_query(query: Mapping[str, str], properties: Mapping[str, Property]) -> ListQuery:
    """Read `$filter`, `maxresults` and the skip token. Raises InvalidQueryParameterValue."""
    tree = read_filter(query)
    condition, parameters, since = _compiled(tree, query.get("$filter", ""), properties) if tree else ("", (), None)
    return ListQuery(
        condition=condition,
        parameters=parameters,
        after=read_skip_token(query),
        limit=read_max_results(query),
        since=since,
    )


def _compiled(
    tree: Filter, source: str, properties: Mapping[str, Property]
) -> tuple[str, tuple[Parameter, ...], Since | None]:
    try:
        condition, parameters = compile_filter(tree, properties)
    except FilterError as exc:
        raise invalid_parameter("$filter", source, str(exc)) from exc
    return condition, parameters, lower_bound(tree, properties)


def read_filter(query: Mapping[str, str]) -> Filter | None:
    """Return the filter as a tree, None without one. Raises InvalidQueryParameterValue."""
    source = query.get("$filter", "")
    try:
        return parse_filter(source) if source.strip() else None
    except FilterError as exc:
        raise invalid_parameter("$filter", source, str(exc)) from exc


def read_max_results(query: Mapping[str, str]) -> int:
    """Return the page size, 1 to 1000."""
    given = query.get("maxresults")
    if given is None:
        return MAX_RESULTS
    try:
        number = int(given)
    except ValueError as exc:
        raise invalid_parameter("maxresults", given, "MaxResults is not a number") from exc
    if number < 1:
        raise invalid_parameter("maxresults", given, "MaxResults cannot be less than 1")
    if number > MAX_RESULTS:
        reason = f"MaxResults cannot be more than {MAX_RESULTS}"
        raise invalid_parameter("maxresults", given, reason)
    return number


def read_skip_token(query: Mapping[str, str]) -> str | None:
    """Return the key after which the page starts."""
    token = query.get("$skiptoken")
    if token is None:
        return None
    try:
        return b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as exc:
        raise invalid_parameter("$skiptoken", token, "The skip token is not valid") from exc


def next_link(url: str, query: Mapping[str, str], last: str) -> str:
    """Return the address of the page after the item `last` of the list at `url`."""
    token = urlsafe_b64encode(last.encode()).decode()
    return f"{url}?{urlencode({**query, '$skiptoken': token})}"


def read_select(query: Mapping[str, str], known: frozenset[str]) -> tuple[str, ...]:
    """Return the selected properties, none for all. Raises InvalidQueryParameterValue.

    `$expand` is checked, too; `stats` is all it may name, and only of what has statistics:
    https://learn.microsoft.com/azure/batch/batch-efficient-list-queries
    """
    if "$select" not in query and "$expand" not in query:
        return ()
    if (expand := query.get("$expand")) and not {name.strip() for name in expand.split(",")} <= known & {"stats"}:
        raise invalid_parameter("$expand", expand, "Only stats of pools, jobs, schedules and tasks can be expanded")
    source = query.get("$select", "")
    names = tuple(name for part in source.split(",") if (name := part.strip()))
    for name in names:
        if name not in known:
            raise invalid_parameter("$select", source, f"The property {name} does not exist")
    return (*names, "stats") if names and expand else names


def expands_stats(query: Mapping[str, str]) -> bool:
    """Return whether statistics are asked for, by `$expand` or by `$select`."""
    return "stats" in query.get("$expand", "") or "stats" in query.get("$select", "")


def project(resource: Document, selected: Sequence[str]) -> Document:
    """Return only the selected properties; all where nothing is selected."""
    if not selected:
        return resource
    return {name: resource[name] for name in selected if name in resource}
