"""Nodes in the store."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from batch_emulator.odata.query import ListQuery
from batch_emulator.odata.sql import Property, enum_property, integer_property, time_property
from batch_emulator.store.database import Database
from batch_emulator.values.states import LifecycleTaskState, NodeState, SchedulingState, TaskResult


class NodeRow(NamedTuple):
    """A node as stored."""

    no: int
    pool_no: int
    id: str
    dedicated: int
    state: str
    state_time: str
    boot_time: str
    allocation_time: str
    start_task_info: str | None
    scheduling: str
    errors: str | None
    tasks_run: int
    tasks_succeeded: int

    @property
    def has_booted(self) -> bool:
        """Until its first boot, a node carries the time at which it was allocated."""
        return self.boot_time != self.allocation_time

    @property
    def ip_address(self) -> str:
        """A private address that no other node has."""
        return f"10.{self.no // 62_500 % 250}.{self.no // 250 % 250}.{self.no % 250 + 4}"


_COLUMNS: Final = ", ".join(NodeRow._fields)

#: What the filter of "list nodes" may name, by the service's documentation. Pools have few nodes:
#: the start task's properties are read from its JSON.
NODE_FILTER: Final[Mapping[str, Property]] = {
    "state": enum_property("state", NodeState),
    "stateTransitionTime": time_property("state_time"),
    "lastBootTime": time_property("boot_time"),
    "allocationTime": time_property("allocation_time"),
    "startTaskInfo/state": enum_property("start_task_info ->> 'state'", LifecycleTaskState),
    "startTaskInfo/result": enum_property("start_task_info ->> 'result'", TaskResult),
    "startTaskInfo/exitCode": integer_property("start_task_info ->> 'exitCode'"),
    "startTaskInfo/startTime": time_property("start_task_info ->> 'startTime'"),
    "startTaskInfo/endTime": time_property("start_task_info ->> 'endTime'"),
}


class Nodes:
    def __init__(self, database: Database) -> None:
        self._database = database

    def insert(self, row: NodeRow) -> NodeRow:
        marks = ", ".join("?" * (len(row) - 1))
        sql = f"INSERT INTO nodes ({_COLUMNS}) VALUES (NULL, {marks})"  # noqa: S608
        return row._replace(no=int(self._database.execute(sql, *row[1:]).lastrowid or 0))

    def get(self, pool_no: int, node_id: str) -> NodeRow | None:
        sql = f"SELECT {_COLUMNS} FROM nodes WHERE pool_no = ? AND id = ?"  # noqa: S608
        row = self._database.one(sql, pool_no, node_id)
        return NodeRow._make(row) if row else None

    def page(self, pool_no: int, query: ListQuery) -> tuple[list[NodeRow], bool]:
        sql = f"SELECT {_COLUMNS} FROM nodes WHERE pool_no = ?"  # noqa: S608
        rows, more = self._database.page(sql, (pool_no,), query)
        return [NodeRow._make(row) for row in rows], more

    def of_pool(self, pool_no: int) -> list[NodeRow]:
        sql = f"SELECT {_COLUMNS} FROM nodes WHERE pool_no = ? ORDER BY no"  # noqa: S608
        return [NodeRow._make(row) for row in self._database.all(sql, pool_no)]

    def set_state(self, no: int, state: NodeState, time: str) -> None:
        self._database.execute(
            "UPDATE nodes SET state = ?, state_time = ? WHERE no = ? AND state <> ?",
            state,
            time,
            no,
            state,
        )

    def set_quiet(self, no: int, time: str) -> None:
        """Note that the last task of a running node is over: it is idle, or offline where tasks are kept away."""
        self._database.execute(
            "UPDATE nodes SET state = CASE scheduling WHEN 'disabled' THEN 'offline' ELSE 'idle' END, "
            "state_time = ? WHERE no = ? AND state = 'running'",
            time,
            no,
        )

    def set_scheduling(self, no: int, scheduling: SchedulingState) -> None:
        self._database.execute("UPDATE nodes SET scheduling = ? WHERE no = ?", scheduling, no)

    def set_errors(self, no: int, errors: str | None) -> None:
        """Note what is wrong with a node, as JSON."""
        self._database.execute("UPDATE nodes SET errors = ? WHERE no = ?", errors, no)

    def by_number(self, no: int) -> NodeRow | None:
        row = self._database.one(f"SELECT {_COLUMNS} FROM nodes WHERE no = ?", no)  # noqa: S608
        return NodeRow._make(row) if row else None

    def delete(self, no: int) -> None:
        self.delete_users(no)
        self._database.execute("DELETE FROM nodes WHERE no = ?", no)

    def insert_user(self, no: int, name: str, *, admin: bool, expires: str) -> bool:
        """Add a user account to a node; return False if it has one of that name."""
        sql = "INSERT INTO node_users (node_no, name, admin, expires) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
        return self._database.execute(sql, no, name, int(admin), expires).rowcount == 1

    def replace_user(self, no: int, name: str, *, expires: str) -> bool:
        """Give a user account another expiry; return False if there is none of that name."""
        sql = "UPDATE node_users SET expires = ? WHERE node_no = ? AND name = ?"
        return self._database.execute(sql, expires, no, name).rowcount == 1

    def delete_user(self, no: int, name: str) -> bool:
        """Remove a user account; return False if there is none of that name."""
        sql = "DELETE FROM node_users WHERE node_no = ? AND name = ?"
        return self._database.execute(sql, no, name).rowcount == 1

    def delete_users(self, no: int) -> None:
        self._database.execute("DELETE FROM node_users WHERE node_no = ?", no)

    def set_booted(self, no: int, time: str) -> None:
        self._database.execute("UPDATE nodes SET boot_time = ? WHERE no = ?", time, no)

    def set_start_task_info(self, no: int, info: str | None) -> None:
        self._database.execute("UPDATE nodes SET start_task_info = ? WHERE no = ?", info, no)

    def count_run(self, no: int, *, succeeded: bool) -> None:
        """Count a finished run of a task."""
        self._database.execute(
            "UPDATE nodes SET tasks_run = tasks_run + 1, tasks_succeeded = tasks_succeeded + ? WHERE no = ?",
            int(succeeded),
            no,
        )

    def by_size(self) -> dict[tuple[str, bool], int]:
        """Return how many nodes the account has, by the size of their VMs and whether they are dedicated."""
        rows = self._database.all(
            "SELECT vm_size, dedicated, count(*) FROM nodes JOIN pools ON pools.no = pool_no GROUP BY 1, 2"
        )
        return {(size, bool(dedicated)): number for size, dedicated, number in rows}

    def kinds(self, pool_no: int) -> tuple[int, int]:
        """Return how many nodes of the pool are dedicated, and how many spot."""
        dedicated, total = self._database.one(
            "SELECT count(*) FILTER (WHERE dedicated), count(*) FROM nodes WHERE pool_no = ?",
            pool_no,
        )
        return dedicated, total - dedicated

    def states(self, pool_no: int, *, dedicated: bool) -> dict[str, int]:
        """Return how many nodes of a pool are in each state."""
        return dict(
            self._database.all(
                "SELECT state, count(*) FROM nodes WHERE pool_no = ? AND dedicated = ? GROUP BY state",
                pool_no,
                int(dedicated),
            )
        )
