"""Pools in the store."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from batch_emulator.model.states import AllocationState, PoolState
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


_COLUMNS: Final = ", ".join(PoolRow._fields)

#: What the filter of "list pools" may name, by the service's documentation.
POOL_FILTER: Final[Mapping[str, Property]] = {
    "id": text_property("id"),
    "state": enum_property("state", PoolState),
    "stateTransitionTime": time_property("state_time"),
    "allocationState": enum_property("allocation_state", [*AllocationState, "stopping"]),
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
        cursor = self._database.execute(
            f"INSERT INTO pools ({_COLUMNS}, vm_size, auto_scale, inter_node) "  # noqa: S608
            "VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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

    def set_state(self, no: int, state: PoolState, time: str) -> None:
        self._database.execute("UPDATE pools SET state = ?, state_time = ? WHERE no = ?", state, time, no)

    def set_allocation(self, no: int, state: AllocationState, time: str) -> None:
        self._database.execute(
            "UPDATE pools SET allocation_state = ?, allocation_time = ? WHERE no = ?",
            state,
            time,
            no,
        )

    def delete(self, no: int) -> None:
        self._database.execute("DELETE FROM nodes WHERE pool_no = ?", no)
        self._database.execute("DELETE FROM pools WHERE no = ?", no)
