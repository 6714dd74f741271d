"""Pools in the store."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from batch_emulator.odata.query import ListQuery
from batch_emulator.odata.sql import (
    Property,
    boolean_property,
    enum_property,
    name_property,
    text_property,
    time_property,
)
from batch_emulator.store.database import Database
from batch_emulator.values.states import AllocationState, PoolState


class PoolRow(NamedTuple):
    """A pool as stored. Rows are tuples: SQLite yields tuples, and lists hold thousands."""

    no: int
    id: str
    document: str
    created: str
    modified: str
    state: str
    state_time: str
    allocation_state: str
    allocation_time: str
    resize_errors: str | None = None
    auto_scale_run: str | None = None


_COLUMNS: Final = ", ".join(PoolRow._fields)

#: What the filter of "list pools" may name, by the service's documentation.
POOL_FILTER: Final[Mapping[str, Property]] = {
    "id": text_property("id"),
    "state": enum_property("state", PoolState),
    "stateTransitionTime": time_property("state_time"),
    "allocationState": enum_property("allocation_state", AllocationState),
    "allocationStateTransitionTime": time_property("allocation_time"),
    "creationTime": time_property("created"),
    "lastModified": time_property("modified"),
    "vmSize": name_property("vm_size"),
    "enableAutoScale": boolean_property("auto_scale"),
    "enableInterNodeCommunication": boolean_property("inter_node"),
}


class Pools:
    def __init__(self, database: Database) -> None:
        self._database = database

    def insert(self, row: PoolRow, *, vm_size: str, auto_scale: bool, inter_node: bool) -> PoolRow:
        """Add a pool; its number is given by the store."""
        marks = ", ".join("?" * (len(row) + 2))
        cursor = self._database.execute(
            f"INSERT INTO pools ({_COLUMNS}, vm_size, auto_scale, inter_node) VALUES (NULL, {marks})",  # noqa: S608
            *row[1:],
            vm_size,
            int(auto_scale),
            int(inter_node),
        )
        return row._replace(no=int(cursor.lastrowid or 0))

    def get(self, pool_id: str) -> PoolRow | None:
        row = self._database.one(f"SELECT {_COLUMNS} FROM pools WHERE id = ?", pool_id)  # noqa: S608
        return PoolRow._make(row) if row else None

    def page(self, query: ListQuery) -> tuple[list[PoolRow], bool]:
        sql = f"SELECT {_COLUMNS} FROM pools WHERE TRUE"  # noqa: S608
        rows, more = self._database.page(sql, (), query)
        return [PoolRow._make(row) for row in rows], more

    def all(self) -> list[PoolRow]:
        rows = self._database.all(f"SELECT {_COLUMNS} FROM pools ORDER BY no")  # noqa: S608
        return [PoolRow._make(row) for row in rows]

    def count(self) -> int:
        (number,) = self._database.one("SELECT count(*) FROM pools")
        return int(number)

    def set_state(self, no: int, state: PoolState, time: str) -> None:
        """Enter a state; the pool's ETag changes with it (recording of the real service)."""
        self._database.execute(
            "UPDATE pools SET state = ?1, state_time = ?2, modified = ?2 WHERE no = ?3", state, time, no
        )

    def set_allocation(self, no: int, state: AllocationState, time: str) -> None:
        self._database.execute(
            "UPDATE pools SET allocation_state = ?, allocation_time = ? WHERE no = ?",
            state,
            time,
            no,
        )

    def set_resize_errors(self, no: int, errors: str | None) -> None:
        """Note why the last resize did not reach its targets, as JSON."""
        self._database.execute("UPDATE pools SET resize_errors = ? WHERE no = ?", errors, no)

    def set_auto_scale_run(self, no: int, run: str | None) -> None:
        """Note the last evaluation of the pool's formula, as JSON."""
        self._database.execute("UPDATE pools SET auto_scale_run = ? WHERE no = ?", run, no)

    def change(self, no: int, document: str, time: str) -> None:
        """Give a pool other properties; its ETag changes with them."""
        self._database.execute(
            "UPDATE pools SET document = ?1, modified = ?2, vm_size = ?1 ->> 'vmSize', "
            "auto_scale = coalesce(?1 ->> 'enableAutoScale', 0), "
            "inter_node = coalesce(?1 ->> 'enableInterNodeCommunication', 0) WHERE no = ?3",
            document,
            time,
            no,
        )

    def by_number(self, no: int) -> PoolRow | None:
        row = self._database.one(f"SELECT {_COLUMNS} FROM pools WHERE no = ?", no)  # noqa: S608
        return PoolRow._make(row) if row else None

    def delete(self, no: int) -> None:
        self._database.execute("DELETE FROM node_users WHERE node_no IN (SELECT no FROM nodes WHERE pool_no = ?)", no)
        self._database.execute("DELETE FROM nodes WHERE pool_no = ?", no)
        self._database.execute("DELETE FROM pools WHERE no = ?", no)
