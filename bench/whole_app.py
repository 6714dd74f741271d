"""The whole app on a stack whose services run: its host, what it has written down, and when it has done with files."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from azure.data.tables.aio import TableClient
from azure.storage.blob.aio import BlobServiceClient, ContainerClient
from call_counts import Calls, calls_of, recording
from dropping import drop
from relayed_stack import Services

from batch_core.state.entities import to_record
from batch_core.state.record import TaskRecord, TaskState
from batch_core.state.statistics import StatisticsTable
from local import functions_host
from local.functions_host import HostKind
from local.processes import ChildProcess

_POLL_SECONDS: Final = 1.0
_PATIENCE: Final = timedelta(minutes=20)
_FIRST: Final = "first.txt"


@dataclass(frozen=True, kw_only=True)
class WholeApp:
    """An app that runs: `inputs` is reached through the relay; `outputs` and `table`, which look on, are not."""

    host: ChildProcess
    url: str
    inputs: ContainerClient
    outputs: ContainerClient
    table: TableClient

    async def records(self) -> list[TaskRecord]:
        """Read all records. Those of days begin with digits, and so do their rows."""
        listed = self.table.query_entities("PartitionKey lt 'a' and RowKey lt 'a'")
        return [to_record(entity).record async for entity in listed]

    async def warm_up(self) -> None:
        """Have a first file go all the way: starting, and what is done once a day, is not to be measured."""
        await drop(self.inputs, [_FIRST])
        await self.until_closed([_FIRST])

    async def until_counted(self, files: int) -> None:
        """Wait until so many records are final.

        What is asked for each second are the app's own statistics, a few entities: no list of files, which would cost
        more than what is measured.
        """
        statistics = StatisticsTable(self.table)
        async with asyncio.timeout(_PATIENCE.total_seconds()):
            while await _closed(statistics) < files:
                await asyncio.sleep(_POLL_SECONDS)

    async def until_closed(self, wanted: Collection[str]) -> list[TaskRecord]:
        """Wait until these files and the first have final records; return theirs. Raise RuntimeError for a failure."""
        files = len({*wanted, _FIRST})
        await self.until_counted(files)
        records = await self.records()
        if failed := [one for one in records if one.state is not TaskState.SUCCEEDED]:
            raise RuntimeError(f"{len(failed)} of {files} files have not succeeded, the first: {failed[0]}")
        return [one for one in records if one.blob in set(wanted)]


async def _closed(statistics: StatisticsTable) -> int:
    # Yesterday's, too: midnight may pass.
    found = await statistics.read(datetime.now(UTC), days=2, hours=1)
    return sum(states.total() for routes in found.days.values() for states in routes.values())


@asynccontextmanager
async def running(services: Services, folder: Path) -> AsyncIterator[WholeApp]:
    """Run the embedded host until the block is left; its counts of calls are in `folder` then. Raise StackError."""
    near, far = services.plan.settings, services.relayed.with_values(**recording(folder))
    async with (
        BlobServiceClient.from_connection_string(far.values["DATA_STORAGE"]) as far_blobs,
        BlobServiceClient.from_connection_string(near.values["DATA_STORAGE"]) as near_blobs,
        TableClient.from_connection_string(near.values["DATA_STORAGE"], near.values["TABLE_NAME"]) as table,
        functions_host.running(HostKind.EMBEDDED, far, log=services.plan.logs / "functions.log") as host,
    ):
        yield WholeApp(
            host=host.process,
            url=host.url,
            inputs=far_blobs.get_container_client(far.values["INPUT_CONTAINER"]),
            outputs=near_blobs.get_container_client(near.values["OUTPUT_CONTAINER"]),
            table=table,
        )


def calls(services: Services, app: WholeApp, folder: Path) -> Calls:
    """Return what the host, which has ended, has asked of the services."""
    return calls_of(folder / f"{app.host.pid}.json", services.by_port)
