"""Starts and stops one emulator: its socket, its service, its HTTP server."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

from batch_emulator.execution.storage_account import StorageAccount
from batch_emulator.faults.controls import Controls
from batch_emulator.faults.form import read_document
from batch_emulator.faults.registry import Faults
from batch_emulator.gateway import Gateway
from batch_emulator.host import Host
from batch_emulator.location import Location
from batch_emulator.routes import ROUTES
from batch_emulator.service import BatchService
from batch_emulator.settings import Settings
from batch_emulator.signing import SharedKey

#: How long requests under way may take at the end, in seconds.
_GRACE: Final = 1.0


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[str]:
    """Serve until the block ends; yield the URL.

    Raises OSError if the port is taken, StoreError if the location cannot be used, ValueError if
    the key is not base64, the storage connection string cannot be read or a fault rule cannot be used.
    At the end every task process is ended.
    """
    key = SharedKey(settings.account, settings.key)
    controls = _controls(settings)
    listener = _listen(settings.host, settings.port)
    try:
        location = Location.claim(settings.location)
    except BaseException:
        listener.close()
        raise
    try:
        async with _serving(settings, key, controls, listener, location) as url:
            yield url
    finally:
        listener.close()
        location.release()


@asynccontextmanager
async def _serving(
    settings: Settings, key: SharedKey, controls: Controls, listener: socket.socket, location: Location
) -> AsyncIterator[str]:
    url = f"http://{_host_in_url(settings.host)}:{listener.getsockname()[1]}"
    storage = StorageAccount.parse(settings.storage) if settings.storage else None
    host = Host(location, lambda: BatchService.open(location, settings.account, url, controls, storage))
    controls.reset = host.reset
    server = web.Server(Gateway(host, key), access_log=None)
    runner = web.ServerRunner(server, shutdown_timeout=_GRACE)
    try:
        await runner.setup()
        await web.SockSite(runner, listener, backlog=512).start()
        yield url
    finally:
        await runner.cleanup()
        await host.close()


def _controls(settings: Settings) -> Controls:
    """Read what is to go wrong from the start. Raises Invalid, which is a ValueError."""
    controls = Controls(
        faults=Faults(operations=frozenset(operation.name for operation in ROUTES)),
        initial=read_document(settings.faults) if settings.faults else None,
    )
    controls.restore()
    return controls


def _host_in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(512)
    except BaseException:
        listener.close()
        raise
    return listener
