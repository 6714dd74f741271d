"""The SQLite database: opening, transactions, paged lists.

It is used directly from the event loop: statements are short, indexed and prepared once, so a
thread and its hand-over would cost more than they do.

Durability: write-ahead log with `synchronous=NORMAL`. A committed change has reached the operating
system, so it survives the end of the process by any means, `kill -9` included. A power failure may
lose the last moments but never leaves a damaged or half-changed state. `FULL` would pay a disk
flush for every task transition to survive the loss of a developer's whole machine.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from batch_emulator.odata.query import ListQuery

#: Changes with the tables; a state directory of another version is refused.
SCHEMA_VERSION: Final = 2

_PRAGMAS: Final = (
    # The state directory belongs to one process (see `Location`): reads need no file locks.
    "locking_mode = EXCLUSIVE",
    "journal_mode = WAL",
    "synchronous = NORMAL",
    "temp_store = MEMORY",
    "cache_size = -16384",
)


class StoreError(Exception):
    """The state directory cannot be used; the message says why."""


class Database:
    """One connection, for the one process that owns the state."""

    def __init__(self, path: Path | None) -> None:
        """Open or create the database; None keeps it in memory. Raises StoreError."""
        self._connection = sqlite3.connect(path or ":memory:", autocommit=True, cached_statements=256)
        # For single rows: making a cursor for each takes a fifth of the time of a short query.
        self._cursor = self._connection.cursor()
        self._depth = 0
        try:
            self._prepare()
        except sqlite3.DatabaseError as exc:
            self._connection.close()
            raise StoreError(f"{path} is not a database of the emulator: {exc}") from exc

    def _prepare(self) -> None:
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, SCHEMA_VERSION):
            raise StoreError(f"The state is of version {version}; this is {SCHEMA_VERSION}")
        for pragma in _PRAGMAS:
            self._connection.execute(f"PRAGMA {pragma}")
        schema = Path(__file__).with_name("schema.sql").read_text(encoding="utf-8")
        self._connection.executescript(schema)
        self._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit everything inside together, or nothing. Inner ones join the outer one.

        Must not be held over an `await`: the event loop's other tasks share the connection.
        """
        if self._depth:
            yield
            return
        self._connection.execute("BEGIN IMMEDIATE")
        self._depth = 1
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        else:
            self._connection.execute("COMMIT")
        finally:
            self._depth = 0

    @property
    def is_in_transaction(self) -> bool:
        return self._connection.in_transaction

    @property
    def changes(self) -> int:
        """How many rows have been written so far: nothing is written elsewhere, so equal numbers mean equal rows."""
        return self._connection.total_changes

    def execute(self, sql: str, *parameters: object) -> sqlite3.Cursor:
        return self._connection.execute(sql, parameters)

    def one(self, sql: str, *parameters: object) -> Any:  # noqa: ANN401 - what the query selects
        """Return the one row or None; of more than one, the rest would keep the statement open until the next query."""
        return self._cursor.execute(sql, parameters).fetchone()

    def all(self, sql: str, *parameters: object) -> list[Any]:
        return self._connection.execute(sql, parameters).fetchall()

    def page(self, sql: str, scope: tuple[object, ...], query: ListQuery) -> tuple[list[Any], bool]:
        """Return a page in the query's order, and whether more follows.

        `sql` ends in a condition whose parameters are `scope`.
        """
        boundary, start = query.boundary()
        conditions = [condition for condition in (boundary, query.condition) if condition]
        sql = " AND ".join([sql, *conditions]) + f" ORDER BY {query.order} LIMIT ?"
        rows = self.all(sql, *scope, *start, *query.parameters, query.limit + 1)
        return rows[: query.limit], len(rows) > query.limit
