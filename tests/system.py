"""A running stack, as a user and an operator see it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import pytest
from azure.batch.aio import BatchClient
from azure.core.credentials import AzureNamedKeyCredential
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient

from local import stack
from local.functions_host import HostKind
from local.stack import Plan

_PATIENCE_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class System:
    """A running stack and the clients of a user."""

    url: str
    http: aiohttp.ClientSession
    blobs: BlobServiceClient
    queues: QueueServiceClient
    batch: BatchClient

    async def drop(self, name: str, content: bytes) -> None:
        await self.blobs.get_blob_client("input", name).upload_blob(content, overwrite=True)

    async def outputs(self, name: str, count: int = 1) -> list[str]:
        """Wait until a file has this many outputs; returns their task ids, the oldest first."""
        container = self.blobs.get_container_client("output")

        async def found() -> list[str] | None:
            names = [blob async for blob in container.list_blob_names(name_starts_with=f"{name}/")]
            tasks = sorted({one.split("/")[-2] for one in names if one.endswith("/stdout.txt")})
            return tasks if len(tasks) >= count else None

        tasks = await until(found)
        assert len(tasks) == count
        return tasks

    async def content(self, name: str, task_id: str, file: str = "stdout.txt") -> bytes:
        blob = self.blobs.get_blob_client("output", f"{name}/{task_id}/{file}")
        return await (await blob.download_blob()).readall()

    async def get(self, path: str) -> tuple[int, dict]:
        async with self.http.get(f"{self.url}/api/{path}") as response:
            return response.status, await response.json()

    async def post(self, body: object = b"", path: str = "tasks") -> tuple[int, dict]:
        data = body if isinstance(body, bytes) else json.dumps(body)
        async with self.http.post(f"{self.url}/api/{path}", data=data) as response:
            return response.status, await response.json()

    async def closed(self, task_id: str) -> dict:
        """Wait until a task's record is final."""

        async def final() -> dict | None:
            _, record = await self.get(f"tasks/{task_id}")
            return record if record.get("closed_at") else None

        return await until(final)

    async def tasks(self) -> set[str]:
        return {task.id async for job in self.batch.list_jobs() async for task in self.batch.list_tasks(job.id)}


async def until[T](found: Callable[[], Awaitable[T | None]]) -> T:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        result = await found()
        if result is not None:
            return result
        await asyncio.sleep(0.1)
    pytest.fail(f"not within {_PATIENCE_SECONDS} seconds: {found.__qualname__}")


@asynccontextmanager
async def running_system(folder: Path, **settings: str) -> AsyncIterator[System]:
    """Run a stack of our own with these settings beside the example's."""
    plan = Plan.throwaway(folder, HostKind.EMBEDDED)
    plan = replace(plan, settings=plan.settings.with_values(**settings))
    values = plan.settings.values
    key = AzureNamedKeyCredential(values["BATCH_ACCOUNT_NAME"], values["BATCH_ACCOUNT_KEY"])
    async with (
        stack.running(plan, lambda _: None) as running,
        aiohttp.ClientSession() as http,
        BlobServiceClient.from_connection_string(values["DATA_STORAGE"]) as blobs,
        QueueServiceClient.from_connection_string(values["AzureWebJobsStorage"]) as queues,
        BatchClient(values["BATCH_ENDPOINT"], key) as batch,
    ):
        yield System(url=running.host.url, http=http, blobs=blobs, queues=queues, batch=batch)
