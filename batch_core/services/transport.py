"""How the clients send: as the SDK does, but a refused connection to this machine is reported at once.

The SDK's clients try a refused connection again, the Storage ones for more than a minute. On a network that helps: a
service's front end restarts, an address moves. On the loopback interface the answer is final until the operator starts
the service.

The environment is asked for a proxy once. As the SDK sends, aiohttp looks for one with each request and reads ~/.netrc,
both in another thread: a quarter of what a request costs the processor, and an entry of .netrc for the host, or for all
hosts, makes every request fail that has a signature of its own.
"""

from functools import cache
from typing import Any
from urllib.request import getproxies

import aiohttp
from azure.core.exceptions import ServiceRequestError
from azure.core.pipeline.transport._aiohttp import AioHttpTransport

from batch_core.clocks import ServiceClock
from batch_core.config.service_url import is_loopback
from batch_core.errors import NothingListens
from batch_core.sdk.translation import note_answer
from batch_core.services.call_limits import CONNECTION_TIMEOUT, READ_TIMEOUT, within_a_try


class PromptTransport(AioHttpTransport):
    """Sends requests; raises `NothingListens` where a connection to this machine is refused."""

    def __init__(self, **config: Any) -> None:  # noqa: ANN401 - as the SDK has it
        super().__init__(use_env_settings=has_proxy(), **config)

    async def send(self, request: Any, **config: Any) -> Any:  # noqa: ANN401 - old and new types of azure-core
        try:
            return await super().send(request, **config)
        except ServiceRequestError as exc:
            cause = exc.__cause__
            if isinstance(cause, aiohttp.ClientConnectorError) and _is_refused_here(cause):
                raise NothingListens(_address(cause)) from exc
            raise


class BriefTransport(PromptTransport):
    """Sends requests, keeps each try short, and reads the service's clock from every reply.

    It notes that an answer has come, so that a failure to read it is distinguished from an error of this program.
    `AioHttpTransport` limits connecting and the wait for the next bytes: not the look-up of a name, nor the whole.
    """

    def __init__(self, clock: ServiceClock) -> None:
        super().__init__(connection_timeout=CONNECTION_TIMEOUT, read_timeout=READ_TIMEOUT)
        self._clock = clock

    async def send(self, request: Any, **config: Any) -> Any:  # noqa: ANN401 - old and new types of azure-core
        async with within_a_try("the request"):
            response = await super().send(request, **config)
        note_answer()
        self._clock.read(response.headers.get("Date"))
        return response


@cache
def has_proxy() -> bool:
    """Return whether the environment names a proxy: then aiohttp finds out for which hosts, with each request."""
    return not {"http", "https"}.isdisjoint(getproxies())


def _address(error: aiohttp.ClientConnectorError) -> str:
    return f"[{error.host}]:{error.port}" if ":" in error.host else f"{error.host}:{error.port}"


def _is_refused_here(error: aiohttp.ClientConnectorError) -> bool:
    is_other = isinstance(error, aiohttp.ClientSSLError | aiohttp.ClientConnectorDNSError)
    return not is_other and is_loopback(error.host)
