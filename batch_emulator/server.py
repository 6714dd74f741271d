"""Starts and stops one emulator: its socket, its service, its HTTP server."""

import logging
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from aiohttp import web
from aiohttp.http import HttpProcessingError

from batch_emulator import bounds
from batch_emulator.access.authentication import Authentication
from batch_emulator.access.origins import Access, read_allowed
from batch_emulator.access.signing import SharedKey
from batch_emulator.applications import Applications
from batch_emulator.emulator import Emulator
from batch_emulator.execution.container_engine import ContainerEngines
from batch_emulator.execution.environment import Account
from batch_emulator.execution.storage_account import StorageAccount
from batch_emulator.execution.transfers import Sources
from batch_emulator.faults.controls import Controls
from batch_emulator.faults.form import read_document
from batch_emulator.faults.registry import Faults
from batch_emulator.gateway import Gateway
from batch_emulator.location import Location
from batch_emulator.management.access import ManagementAccess
from batch_emulator.management.account import AccountOperations
from batch_emulator.management.plane import ManagementPlane
from batch_emulator.request_log import RequestLog
from batch_emulator.routes import FORMER_ROUTES, ROUTES
from batch_emulator.service import BatchService
from batch_emulator.settings import Settings

#: How long requests under way may take at the end, in seconds.
_GRACE: Final = 1.0


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[str]:
    """Serve until the block ends; yield the URL.

    Raises OSError if the port is taken, StoreError if the location cannot be used, ValueError if
    the key is not base64, the certificate, the storage connection string cannot be read or a fault rule cannot be used.
    At the end every task process is ended.
    """
    authentication = Authentication(
        key=SharedKey(settings.account, settings.key), takes_tokens=settings.cert is not None
    )
    controls = _controls(settings)
    listener = _listen(settings.host, settings.port)
    try:
        location = Location.claim(settings.location)
    except BaseException:
        listener.close()
        raise
    try:
        async with _serving(settings, authentication, controls, listener, location) as url:
            yield url
    finally:
        listener.close()
        location.release()


@asynccontextmanager
async def _serving(
    settings: Settings,
    authentication: Authentication,
    controls: Controls,
    listener: socket.socket,
    location: Location,
) -> AsyncIterator[str]:
    tls = _tls(settings.cert, settings.key_file) if settings.cert else None
    url = f"http{'s' * bool(tls)}://{_host_in_url(settings.host)}:{listener.getsockname()[1]}"
    # A server that listens on a given address is reached by it, too.
    access = Access(allowed=settings.allowed_hosts | read_allowed([settings.host]))
    sources = Sources(
        account=StorageAccount.parse(settings.storage) if settings.storage else None,
        applications=Applications(root=settings.applications or location.applications),
        engines=ContainerEngines(choice=settings.container_engine),
    )
    emulator = Emulator(
        location,
        lambda reset: BatchService.open(
            *(location, Account.at(url, settings.account), controls, sources, reset),
            strict_images=settings.strict_images,
        ),
    )
    # No client compresses what it sends; what nobody unpacks cannot be a bomb either.
    management = ManagementPlane(
        AccountOperations(name=settings.account, key=settings.key if settings.is_key_known else None),
        ManagementAccess(authentication=authentication, is_key_known=settings.is_key_known),
    )
    gateway = Gateway(emulator, authentication, access, management, any_version=settings.skip_api_version_check)
    handler = RequestLog(gateway) if settings.log_requests else gateway
    server = bounds.BoundedServer(
        handler,
        access_log=None,
        auto_decompress=False,
        logger=_http_log(),
        keepalive_timeout=bounds.IDLE_SECONDS,
    )
    runner = web.ServerRunner(server, shutdown_timeout=_GRACE)
    try:
        await runner.setup()
        await web.SockSite(runner, listener, ssl_context=tls, backlog=512).start()
        yield url
    finally:
        await runner.cleanup()
        await emulator.close()


def _http_log() -> logging.Logger:
    """Return a log without what is no HTTP: it is answered 400, and its text may hold a signature."""
    log = logging.getLogger("batch_emulator.http")
    log.addFilter(_is_own_mistake)
    return log


def _is_own_mistake(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def _controls(settings: Settings) -> Controls:
    """Read what is to go wrong from the start. Raises Invalid, which is a ValueError."""
    controls = Controls(
        faults=Faults(operations=frozenset(operation.name for operation in (*ROUTES, *FORMER_ROUTES))),
        initial=read_document(settings.faults) if settings.faults else None,
    )
    controls.restore()
    return controls


def _tls(cert: Path, key_file: Path | None) -> ssl.SSLContext:
    """Read the certificate. Raises ValueError."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # Without a password there is nothing to ask for at the terminal.
        context.load_cert_chain(cert, key_file, password="")
    except OSError as exc:
        files = f"{cert} and {key_file}" if key_file else str(cert)
        raise ValueError(f"{files}: no certificate and private key can be read: {exc.strerror or exc}") from exc
    return context


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
