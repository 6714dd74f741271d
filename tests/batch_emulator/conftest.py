"""A running emulator, the real SDK's clients, and waits with a deadline."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from azure.batch.aio import BatchClient
from azure.batch.models import (
    BatchJobCreateOptions,
    BatchPoolCreateOptions,
    BatchPoolInfo,
    BatchTask,
    BatchTaskCreateOptions,
    BatchVmImageReference,
    VirtualMachineConfiguration,
)
from azure.core.credentials import AzureNamedKeyCredential
from azure.storage.blob.aio import BlobServiceClient

from batch_emulator.server import running
from batch_emulator.settings import DEFAULT_ACCOUNT, DEFAULT_KEY, Settings
from tests.batch_emulator.boxes import Boxes
from tests.batch_emulator.conformity import watched_replies

CREDENTIAL = AzureNamedKeyCredential(DEFAULT_ACCOUNT, DEFAULT_KEY)
_numbers = itertools.count(1)


async def until[T](look: Callable[[], Awaitable[T]], seconds: float = 15) -> T:
    """Return the first true result of `look`; fail after the deadline."""
    deadline = time.monotonic() + seconds
    while not (result := await look()):
        assert time.monotonic() < deadline, f"never happened; last seen: {result!r}"
        await asyncio.sleep(0.02)
    return result


def pool_options(pool_id: str, nodes: int = 1, **options: Any) -> BatchPoolCreateOptions:
    return BatchPoolCreateOptions(
        id=pool_id,
        vm_size="standard_d2s_v3",
        virtual_machine_configuration=VirtualMachineConfiguration(
            image_reference=BatchVmImageReference(
                publisher="canonical", offer="ubuntu-24_04-lts", sku="server", version="latest"
            ),
            node_agent_sku_id="batch.node.ubuntu 24.04",
        ),
        target_dedicated_nodes=nodes,
        **options,
    )


def new_id(prefix: str) -> str:
    return f"{prefix}-{next(_numbers)}"


@contextmanager
def prompt_boots() -> Iterator[None]:
    """Let nodes take tasks at once: nobody looks at how they boot."""
    with pytest.MonkeyPatch.context() as patch:
        for pause in ("allocation._SEARCH", "allocation._SETTLE", "nodes._BOOT_STEP"):
            patch.setattr(f"batch_emulator.scheduling.{pause}", 0)
        yield


class Batch:
    """The SDK's client with the few steps that most tests begin with."""

    def __init__(self, client: BatchClient) -> None:
        self.client = client

    async def pool(self, nodes: int = 1, **options: Any) -> str:
        pool_id = new_id("pool")
        await self.client.create_pool(pool_options(pool_id, nodes, **options))
        if nodes == 0:
            await until(lambda: self._is_steady(pool_id))
        return pool_id

    async def _is_steady(self, pool_id: str) -> bool:
        return (await self.client.get_pool(pool_id)).allocation_state == "steady"

    async def ready_pool(self, nodes: int = 1, **options: Any) -> str:
        with prompt_boots():
            pool_id = await self.pool(nodes, **options)
            await until(lambda: self._is_ready(pool_id, nodes))
        return pool_id

    async def _is_ready(self, pool_id: str, nodes: int) -> bool:
        states = [node.state async for node in self.client.list_nodes(pool_id)]
        return states == ["idle"] * nodes

    async def job(self, pool_id: str, **options: Any) -> str:
        job_id = new_id("job")
        info = BatchPoolInfo(pool_id=pool_id)
        await self.client.create_job(BatchJobCreateOptions(id=job_id, pool_info=info, **options))
        return job_id

    async def task(self, job_id: str, command: str, task_id: str = "task", **options: Any) -> None:
        options = {"id": task_id, "command_line": command, **options}
        await self.client.create_task(job_id, BatchTaskCreateOptions(**options))

    async def terminate(self, job_id: str) -> None:
        # Without options the client of 15.1.0 fails before it sends anything.
        options: Any = {"terminateReason": "enough"}
        poller = await self.client.begin_terminate_job(job_id, options, polling_interval=0.05)
        await poller.result()

    async def state(self, job_id: str, state: str, task_id: str = "task") -> BatchTask:
        """Return the task once it is in a state."""

        async def look() -> BatchTask | None:
            task = await self.client.get_task(job_id, task_id)
            return task if task.state == state else None

        return await until(look)

    async def run(self, job_id: str, command: str, task_id: str = "task", **options: Any) -> BatchTask:
        await self.task(job_id, command, task_id, **options)
        return await self.state(job_id, "completed", task_id)

    async def file(self, job_id: str, path: str, task_id: str = "task", **options: Any) -> bytes:
        stream = await self.client.download_task_file(job_id, task_id, path, **options)
        return b"".join([chunk async for chunk in stream])

    async def output(self, job_id: str, task_id: str = "task") -> str:
        return (await self.file(job_id, "stdout.txt", task_id)).decode()


@pytest.fixture(scope="session", autouse=True)
def replies():
    """Every reply of this session's emulators; see `conformity`."""
    with watched_replies() as watched:
        yield watched


@pytest.fixture(autouse=True)
def _conforming_replies(replies):
    """Whatever a test asks, the answers have the shape that the SDK's models have."""
    yield
    assert replies.take_problems() == []


@asynccontextmanager
async def own_emulator() -> AsyncIterator[str]:
    """Run an emulator beside the session's; yield its address."""
    async with running(Settings(port=0)) as address:
        yield address


@asynccontextmanager
async def impatient_client(url: str) -> AsyncIterator[Batch]:
    """Open a client that sends nothing twice."""
    async with BatchClient(url, CREDENTIAL, retry_total=0) as client:
        yield Batch(client)


@pytest.fixture(scope="session")
async def url():
    async with own_emulator() as address:
        yield address


@pytest.fixture(scope="session")
async def batch(url):
    async with BatchClient(url, CREDENTIAL) as client:
        yield Batch(client)


#: No test waits for so long: a pause of this length, in seconds, is one that is held.
_HELD = 3600.0


@pytest.fixture
def held(monkeypatch):
    """Make a passing state of pools last until it is let pass: it can be looked at, however busy the machine is."""
    passing = asyncio.Event()
    sleep = asyncio.sleep

    async def pause(seconds: float, result: Any = None) -> Any:
        return await (passing.wait() if seconds == _HELD else sleep(seconds, result))

    def hold(what: str) -> Callable[[], None]:
        """Hold the pauses of one kind; gives what lets these and all later ones pass at once."""
        monkeypatch.setattr(f"batch_emulator.scheduling.{what}", _HELD)
        return passing.set

    monkeypatch.setattr(asyncio, "sleep", pause)
    yield hold
    passing.set()


@pytest.fixture(scope="session")
async def pool(batch):
    """Two nodes with two slots each, for tests that only need somewhere to run."""
    return await batch.ready_pool(2, task_slots_per_node=2)


@pytest.fixture
async def job(batch, pool):
    return await batch.job(pool)


@pytest.fixture
async def idle_job(batch):
    """A job whose pool does not exist: its tasks stay active."""
    return await batch.job("no-such-pool")


@pytest.fixture(scope="session")
async def boxes(storage):
    """The containers of the session's Azurite."""
    async with BlobServiceClient.from_connection_string(storage.connection_string) as client:
        yield Boxes(client)


@pytest.fixture(scope="session")
async def identified(storage):
    """Batch as in the fixture "batch", from an emulator that was given a storage account."""
    settings = Settings(port=0, location=None, storage=storage.connection_string)
    async with running(settings) as address, BatchClient(address, CREDENTIAL) as client:
        yield Batch(client)
