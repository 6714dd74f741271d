"""The host at work: an app's triggers served until it is asked to stop."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from azure.core.exceptions import AzureError, ResourceExistsError
from azure.storage.blob.aio import ContainerClient

from local.host import admin, worker
from local.host.bindings import BlobTrigger, HttpTrigger, QueueTrigger, TimerTrigger
from local.host.blobs import event_grid
from local.host.blobs.triggers import BlobTriggers
from local.host.connections import HOST_STORAGE, Connections
from local.host.errors import HostError
from local.host.host_settings import HostSettings
from local.host.http.access import Access
from local.host.http.application import Handler, HttpApplication
from local.host.http.routes import Routes
from local.host.http.server import serving
from local.host.identity import host_id
from local.host.invoker import Invoker
from local.host.queues.dispatcher import QueueDispatcher
from local.host.queues.listener import QueueListener
from local.host.selection import select
from local.host.timers.timer import Timer, timer
from local.ports import ADDRESS

logger = logging.getLogger(__name__)

_POISON_SUFFIX: Final = "-poison"
_RESTART_SECONDS: Final = 1.0

# Together less than the stack waits before it kills.
_HTTP_SECONDS: Final = 5.0
_DRAIN_SECONDS: Final = 8.0

type Loop = Callable[[], Awaitable[None]]


@asynccontextmanager
async def running(
    folder: Path, *, port: int, app_settings: Mapping[str, str], settings: HostSettings, access: Access
) -> AsyncIterator[list[str]]:
    """Serve the app in `folder` until the block is left; give the lines that list its functions.

    On leaving nothing new is begun, and running functions get some seconds to end. Raise HostError.
    """
    functions = await worker.load(folder)
    async with Connections(app_settings) as connections:
        selection = await select(functions, app_settings, connections)
        triggers = selection.triggers
        for name, reason in selection.left_out.items():
            logger.error("Function %s does not run: %s", name, reason)
        assembly = _Assembly(
            connections=connections,
            settings=settings,
            host_id=host_id(folder, app_settings),
            invoker=Invoker(),
        )
        http = [t for t in triggers if isinstance(t, HttpTrigger)]
        others = [t for t in triggers if not isinstance(t, HttpTrigger)]
        loops, handlers = await assembly.begin(others)
        routes = Routes(http, settings.route_prefix)
        handlers["GET", admin.FUNCTIONS_PATH] = admin.functions(selection, routes)
        front = HttpApplication(routes=routes, invoker=assembly.invoker, extra=handlers)
        http_server = serving(front.application(), access, port, grace_seconds=_HTTP_SECONDS)
        async with http_server, _looping(loops):
            yield admin.listing(selection, routes, f"http://{ADDRESS}:{port}")
            logger.info("Stopping: nothing new is begun")
        await assembly.invoker.drain(_DRAIN_SECONDS)


@dataclass(frozen=True, kw_only=True)
class _Assembly:
    """Turns triggers that are not HTTP into loops to run and routes to answer."""

    connections: Connections
    settings: HostSettings
    host_id: str
    invoker: Invoker

    async def begin(
        self, triggers: Sequence[TimerTrigger | BlobTrigger | QueueTrigger]
    ) -> tuple[list[Loop], dict[tuple[str, str], Handler]]:
        handlers = {("GET", admin.STATUS_PATH): admin.status(self.host_id)}
        if not triggers:
            return [], handlers
        hosts = await self._hosts_container()
        timers = [timer(t, self.invoker, hosts, self.host_id) for t in triggers if isinstance(t, TimerTrigger)]
        queues = [await self._queue(t) for t in triggers if isinstance(t, QueueTrigger)]
        loops: list[Loop] = [*(timer.run for timer in timers), *(queue.run for queue in queues)]
        handlers |= _by_hand(timers)
        if blobs := [t for t in triggers if isinstance(t, BlobTrigger)]:
            front = await self._blobs(blobs, hosts)
            loops += [front.listener.run, *(scan.run for scan in front.scans)]
            handlers["POST", event_grid.PATH] = front.webhook.answer
        return loops, handlers

    async def _hosts_container(self) -> ContainerClient:
        container = (await self.connections.blobs(HOST_STORAGE)).get_container_client("azure-webjobs-hosts")
        try:
            with contextlib.suppress(ResourceExistsError):
                await container.create_container()
        except AzureError as exc:
            raise HostError(f"cannot reach the storage account {HOST_STORAGE}: {exc}") from exc
        return container

    async def _blobs(self, triggers: Sequence[BlobTrigger], hosts: ContainerClient) -> BlobTriggers:
        return await BlobTriggers.open(
            triggers,
            connections=self.connections,
            hosts_container=hosts,
            host_id=self.host_id,
            settings=self.settings,
            invoker=self.invoker,
        )

    async def _queue(self, trigger: QueueTrigger) -> QueueListener:
        queues = await self.connections.queues(trigger.connection)
        is_poison = trigger.queue.lower().endswith(_POISON_SUFFIX)
        poison = None if is_poison else queues.get_queue_client(trigger.queue + _POISON_SUFFIX)
        return QueueListener(
            queue=queues.get_queue_client(trigger.queue),
            poison=lambda _: poison,
            handle=QueueDispatcher(trigger=trigger, invoker=self.invoker).handle,
            parallelism=self.settings.queue_parallelism,
            tries=self.settings.queue_tries,
            invoker=self.invoker,
        )


def _by_hand(timers: Sequence[Timer]) -> dict[tuple[str, str], Handler]:
    return {("POST", admin.function_path(timer.trigger.function)): admin.run_now(timer) for timer in timers}


@asynccontextmanager
async def _looping(loops: Sequence[Loop]) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for loop in loops:
            task = asyncio.create_task(_kept_up(loop))
            stack.push_async_callback(_ended, task)
            stack.callback(task.cancel)
        yield


async def _kept_up(loop: Loop) -> None:
    while True:
        try:
            await loop()
        except Exception:  # one trigger's trouble must not end the others
            logger.exception("A trigger failed and starts again")
            await asyncio.sleep(_RESTART_SECONDS)


async def _ended(task: asyncio.Task[None]) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        await task
