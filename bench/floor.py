"""The floor: a bare client of the services that makes the calls that the job needs, and no other.

    (started by peers.py: the settings are in the environment)

The asynchronous clients of the SDKs, as they are, on the event loop that the app's worker has. All steps go on at the
same time, sixteen files in each: upload; add tasks, up to fifty a call, as many as have been uploaded meanwhile;
list what has completed since the last list; read standard output and error, and write standard output to the output
container, unless nodes upload both. It keeps no record, follows no event, and what it does when something fails is to
stop.

Prints, as JSON, seconds from the first upload to the last output, its processor time, and the most memory it had.
"""

import argparse
import asyncio
import json
import os
import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import uvloop
from azure.batch.aio import BatchClient
from azure.batch.models import (
    BatchJobCreateOptions,
    BatchPoolInfo,
    BatchTask,
    BatchTaskCreateOptions,
    BatchTaskGroup,
    EnvironmentSetting,
    OutputFile,
    OutputFileBlobContainerDestination,
    OutputFileDestination,
    OutputFileUploadConfiguration,
    ResourceFile,
)
from azure.core.credentials import AzureNamedKeyCredential
from azure.data.tables.aio import TableClient, TableServiceClient
from azure.storage.blob import BlobSasPermissions, ContainerSasPermissions, generate_blob_sas, generate_container_sas
from azure.storage.blob.aio import BlobServiceClient, ContainerClient
from dropping import AT_ONCE, content, names

JOB: Final = "floor"
#: Files in a collection; with records two operations each in a transaction, which takes a hundred.
TOGETHER: Final = 50
PAUSE_SECONDS: Final = 0.2
FIELDS: Final = ["id", "stateTransitionTime", "executionInfo", "nodeInfo", "constraints"]
LIFETIME: Final = timedelta(days=7)


@dataclass(frozen=True, kw_only=True)
class Floor:
    """The job: `wanted` are the names of the files, and tasks are called by their number."""

    batch: BatchClient
    blobs: BlobServiceClient
    wanted: list[str]
    #: Where nodes upload to; None: what is printed is copied.
    upload_url: str | None
    #: Where records are kept, if they are.
    table: TableClient | None = None
    ready: asyncio.Queue[int] = field(default_factory=asyncio.Queue)
    completed: asyncio.Queue[int] = field(default_factory=asyncio.Queue)
    written: asyncio.Queue[int] = field(default_factory=asyncio.Queue)

    @property
    def inputs(self) -> ContainerClient:
        return self.blobs.get_container_client(os.environ["INPUT_CONTAINER"])

    @property
    def outputs(self) -> ContainerClient:
        return self.blobs.get_container_client(os.environ["OUTPUT_CONTAINER"])

    async def run(self) -> None:
        """Do all of it."""
        pool = BatchPoolInfo(pool_id=os.environ["BATCH_POOL_ID"])
        await self.batch.create_job(BatchJobCreateOptions(id=JOB, pool_info=pool))
        todo = iter(range(len(self.wanted)))
        collected = iter(range(len(self.wanted)))
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(self._upload(todo))
                if self.upload_url is None:
                    group.create_task(self._copy(collected))
            group.create_task(self._add())
            group.create_task(self._list())
            if self.table is not None:
                group.create_task(self._close())

    async def _upload(self, todo: Iterator[int]) -> None:
        inputs = self.inputs
        for number in todo:
            await inputs.upload_blob(self.wanted[number], content(self.wanted[number]))
            if self.table is not None:
                await inputs.get_blob_client(self.wanted[number]).get_blob_properties()
            self.ready.put_nowait(number)

    async def _add(self) -> None:
        left = len(self.wanted)
        while left:
            numbers = await _some(self.ready)
            await self._write([("create", entity) for number in numbers for entity in self._entities(number)])
            tasks = BatchTaskGroup(task_values=[self._task(number) for number in numbers])
            reply = await self.batch.create_task_collection(JOB, tasks)
            if any(result.error for result in reply.result_values or []):
                raise RuntimeError("Batch has refused a task")
            await self._write([("update", {**self._key(number), "state": "submitted"}) for number in numbers])
            left -= len(numbers)

    async def _close(self) -> None:
        left = len(self.wanted)
        while left:
            numbers = await _some(self.completed if self.upload_url else self.written)
            changes = [("update", {**self._key(number), "state": "succeeded", "exit_code": 0}) for number in numbers]
            await self._write([*changes, *[("delete", self._key(number, "open")) for number in numbers]])
            left -= len(numbers)

    async def _write(self, operations: Sequence[tuple[str, dict[str, object]]]) -> None:
        if self.table is not None and operations:
            await self.table.submit_transaction(operations)

    def _entities(self, number: int) -> list[dict[str, object]]:
        """Return a record and the entity by which open ones are found, of about the app's sizes."""
        since = datetime.now(UTC)
        about = {"task_id": _task_id(number), "blob": self.wanted[number], "job_id": JOB, "since": since}
        rest = dict.fromkeys(("container", "etag", "route", "digest", "asked_by", "output"), "of about this size")
        return [{**self._key(number), **about, **rest, "state": "queued"}, {**self._key(number, "open"), **about}]

    def _key(self, number: int, kind: str = "task") -> dict[str, object]:
        return {"PartitionKey": JOB, "RowKey": f"{kind}-{number:06}"}

    async def _list(self) -> None:
        """List what has completed, each time from the newest that is known: it comes again, and is left out."""
        since, known = "", set[str]()
        while len(known) < len(self.wanted):
            expression = "state eq 'completed'" + (f" and stateTransitionTime ge DateTime'{since}'" if since else "")
            listed = self.batch.list_tasks(JOB, filter=expression, select=FIELDS, max_results=1000)
            tasks = [task async for task in listed if task.id not in known]
            for task in tasks:
                self.completed.put_nowait(_number(task))
                known.add(str(task.id))
            moments = [task.state_transition_time for task in tasks if task.state_transition_time]
            since = f"{max(moments).astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}" if moments else since
            if len(known) < len(self.wanted):
                await asyncio.sleep(PAUSE_SECONDS)

    async def _copy(self, collected: Iterator[int]) -> None:
        outputs = self.outputs
        for _ in collected:
            number = await self.completed.get()
            stdout, _ = await asyncio.gather(*(self._read(number, name) for name in ("stdout.txt", "stderr.txt")))
            await outputs.upload_blob(f"{self._folder(number)}/stdout.txt", stdout)
            self.written.put_nowait(number)

    async def _read(self, number: int, name: str) -> bytes:
        stream = await self.batch.download_task_file(JOB, _task_id(number), name)
        return b"".join([chunk async for chunk in stream])

    def _folder(self, number: int) -> str:
        return f"{self.wanted[number]}/{_task_id(number)}"

    def _task(self, number: int) -> BatchTaskCreateOptions:
        name, path = self.wanted[number], f"input/{self.wanted[number]}"
        variables = {"INPUT_FILE": path, "INPUT_BLOB": name, "INPUT_CONTAINER": os.environ["INPUT_CONTAINER"]}
        return BatchTaskCreateOptions(
            id=_task_id(number),
            command_line=os.environ["TASK_COMMAND_LINE"],
            resource_files=[ResourceFile(http_url=self._input_url(name), file_path=path)],
            output_files=self._uploads(number, self.upload_url) if self.upload_url else None,
            environment_settings=[EnvironmentSetting(name=name, value=value) for name, value in variables.items()],
        )

    def _input_url(self, name: str) -> str:
        token = generate_blob_sas(
            account_name=str(self.blobs.account_name),
            container_name=os.environ["INPUT_CONTAINER"],
            blob_name=name,
            account_key=self.blobs.credential.account_key,
            permission=BlobSasPermissions(read=True),
            expiry=datetime.now(UTC) + LIFETIME,
        )
        return f"{self.inputs.url}/{name}?{token}"

    def _uploads(self, number: int, url: str) -> list[OutputFile]:
        return [
            OutputFile(
                file_pattern=f"../{name}",
                destination=OutputFileDestination(
                    container=OutputFileBlobContainerDestination(
                        container_url=url, path=f"{self._folder(number)}/{name}"
                    )
                ),
                upload_options=OutputFileUploadConfiguration(upload_condition="taskcompletion"),
            )
            for name in ("stdout.txt", "stderr.txt")
        ]


async def _some(queue: asyncio.Queue[int]) -> list[int]:
    """Wait for one and take the others that wait: as many as a collection or a transaction takes."""
    numbers = [await queue.get()]
    while len(numbers) < TOGETHER and not queue.empty():
        numbers.append(queue.get_nowait())
    return numbers


def _task_id(number: int) -> str:
    return f"task-{number:06}"


def _number(task: BatchTask) -> int:
    if task.execution_info is None or task.execution_info.exit_code != 0:
        raise RuntimeError(f"task {task.id} has failed: {task.execution_info}")
    return int(str(task.id).rpartition("-")[2])


def _upload_url(blobs: BlobServiceClient) -> str:
    outputs = blobs.get_container_client(os.environ["OUTPUT_CONTAINER"])
    token = generate_container_sas(
        account_name=str(blobs.account_name),
        container_name=outputs.container_name,
        account_key=blobs.credential.account_key,
        permission=ContainerSasPermissions(create=True, write=True),
        expiry=datetime.now(UTC) + LIFETIME,
    )
    return f"{outputs.url}?{token}"


async def run(files: int, *, uploads: bool, records: bool) -> float:
    """Do the job with so many files; return the seconds that it took."""
    key = AzureNamedKeyCredential(os.environ["BATCH_ACCOUNT_NAME"], os.environ["BATCH_ACCOUNT_KEY"])
    async with AsyncExitStack() as clients:
        batch = await clients.enter_async_context(BatchClient(os.environ["BATCH_ENDPOINT"], key))
        blobs = await clients.enter_async_context(BlobServiceClient.from_connection_string(os.environ["DATA_STORAGE"]))
        upload_url = _upload_url(blobs) if uploads else None
        tables = await clients.enter_async_context(
            TableServiceClient.from_connection_string(os.environ["DATA_STORAGE"])
        )
        table = await tables.create_table("floor") if records else None
        job = Floor(batch=batch, blobs=blobs, wanted=names(files), upload_url=upload_url, table=table)
        began = time.monotonic()
        await job.run()
        return time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--records", action="store_true")
    parser.add_argument("--mode", choices=["copy", "upload"], default="copy")
    arguments = parser.parse_args()
    before = time.process_time()
    job = run(arguments.files, uploads=arguments.mode == "upload", records=arguments.records)
    seconds = asyncio.run(job, loop_factory=uvloop.new_event_loop)
    processor, peak = time.process_time() - before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "processor_seconds": processor, "peak_bytes": peak}))


if __name__ == "__main__":
    main()
