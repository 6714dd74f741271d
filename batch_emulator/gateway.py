"""What happens to every request: authentication, version, routing, common headers, errors."""

import json
import logging
from collections.abc import Iterator, Mapping
from functools import lru_cache
from http import HTTPStatus
from itertools import count
from types import MappingProxyType
from typing import Final
from urllib.parse import parse_qs
from uuid import uuid4

from aiohttp import HttpVersion11, web

from batch_emulator.access.authentication import Authentication
from batch_emulator.access.origins import INERT, Access
from batch_emulator.call import JSON_TYPE, Call
from batch_emulator.control import health
from batch_emulator.control.access import is_control, is_from_this_machine
from batch_emulator.control.routes import CONTROL_ROUTES
from batch_emulator.emulator import Emulator
from batch_emulator.errors import BatchError, ErrorCode
from batch_emulator.fault_injection import perform
from batch_emulator.management.addresses import is_management
from batch_emulator.management.answers import refusal
from batch_emulator.management.plane import ManagementPlane
from batch_emulator.routes import FORMER_ROUTES, ROUTES
from batch_emulator.routing import Router
from batch_emulator.service import BatchService
from batch_emulator.values.timestamps import Clock
from batch_emulator.versions import NEWEST, ApiVersion

logger = logging.getLogger(__name__)

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


#: No operation has more than a dozen.
MAX_PARAMETERS: Final = 64


class Gateway:
    """The handler of all requests of one emulator."""

    def __init__(
        self,
        emulator: Emulator,
        authentication: Authentication,
        access: Access,
        management: ManagementPlane,
        *,
        any_version: bool = False,
    ) -> None:
        self._emulator = emulator
        self._access = access
        self._authentication = authentication
        self._management = management
        self._any_version = any_version
        self._router = Router(ROUTES)
        self._former = Router(FORMER_ROUTES)
        self._control = Router(CONTROL_ROUTES)
        self._clock = Clock()
        self._request_ids = _guids()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        headers = _common_headers(request, next(self._request_ids))
        service = None
        try:
            self._access.check(request)
            service = self._emulator.service
            return await self._answer(request, service, headers)
        except BatchError as exc:
            return self._refusal(request, exc, headers)
        except RecursionError:
            refusal = BatchError(ErrorCode.INVALID_REQUEST_BODY, Reason="It is nested too deeply")
            return self._refusal(request, refusal, headers)
        except Exception as exc:
            if isinstance(exc, ConnectionError) and _is_gone(request):
                # There is nobody to answer: this one goes nowhere.
                return web.Response()
            if service and not self._emulator.has(service):
                # A reset has taken its service away.
                return self._refusal(request, BatchError(ErrorCode.SERVER_BUSY), headers)
            # No path and query: a query may hold a signature.
            logger.exception("The emulator failed to answer", extra={"method": request.method})
            return self._refusal(request, BatchError(ErrorCode.INTERNAL_ERROR), headers)

    async def _answer(
        self, request: web.BaseRequest, service: BatchService, headers: dict[str, str]
    ) -> web.StreamResponse:
        path, _, raw_query = request.raw_path.partition("?")
        query = _parse_query(raw_query)
        if is_management(path):
            return await self._management.answer(request, service, query, headers)
        controls = is_control(path)
        if not controls:
            self._authentication.check(request, path, query)
        elif path != health.PATH and not is_from_this_machine(request):
            self._authentication.check_signature(request, path, query)
        version = NEWEST if controls else ApiVersion.of(query, any_version=self._any_version)
        operation, parameters = self._router_of(version, controls=controls).find(request.method, path)
        _meet_expectation(request)
        call = Call(
            request=request,
            service=service,
            parameters=parameters,
            query=version.query(query),
            endpoint=f"{request.scheme}://{request.host}",
            path=path,
            common_headers=headers,
            version=version,
        )
        try:
            if service.controls.faults.any and not controls:
                return await perform(service.controls.faults, operation.name, operation.handler, call)
            return await operation.handler(call)
        except BatchError as exc:
            version.phrase(exc)
            raise

    def _router_of(self, version: ApiVersion, *, controls: bool) -> Router:
        if controls:
            return self._control
        return self._former if version.lists_node_agents else self._router

    def _refusal(self, request: web.BaseRequest, exc: BatchError, headers: dict[str, str]) -> web.Response:
        status = exc.error.status
        if exc.retry_after is not None:
            headers = {**headers, "Retry-After": str(exc.retry_after)}
        if is_management(request.raw_path):
            return refusal(exc, headers, self._clock.stamp())
        if request.method == "HEAD" or status == HTTPStatus.NOT_MODIFIED:
            return web.Response(status=status, headers=headers)
        # As it was sent, if it was: the server would look for a name of its own instead.
        endpoint = f"{request.scheme}://{request.headers.get('Host', '')}"
        body = _error_body(exc, endpoint, headers["request-id"], self._clock.stamp())
        return web.Response(status=status, body=body, headers={**headers, "Content-Type": JSON_TYPE})


def _is_gone(request: web.BaseRequest) -> bool:
    return request.transport is None or request.transport.is_closing()


@lru_cache(maxsize=256)
def _parse_query(raw_query: str) -> Mapping[str, str]:
    """Return the first value of each parameter, blank ones left out: as clients sign them.

    Clients that poll send the same query again and again, hence the cache. Raises InvalidUri.
    """
    try:
        parsed = parse_qs(raw_query, max_num_fields=MAX_PARAMETERS)
    except ValueError as exc:
        reason = f"More than {MAX_PARAMETERS} query parameters"
        raise BatchError(ErrorCode.INVALID_URI, Reason=reason) from exc
    return MappingProxyType({name: values[0] for name, values in parsed.items()})


def _guids() -> Iterator[str]:
    """Yield GUIDs: random, but for the last part, which counts. They name requests and protect nothing."""
    random = str(uuid4())[:24]
    for number in count(1):
        yield f"{random}{number:012x}"


def _common_headers(request: web.BaseRequest, request_id: str) -> dict[str, str]:
    headers = {"request-id": request_id, "DataServiceVersion": "3.0", "X-Content-Type-Options": "nosniff"}
    if is_control(request.raw_path.partition("?")[0]):
        headers["Content-Security-Policy"] = INERT
    given = request.headers
    if given.get("return-client-request-id", "").lower() == "true":
        headers["client-request-id"] = given.get("client-request-id", "")[:256]
    return headers


def _meet_expectation(request: web.BaseRequest) -> None:
    """Let a client go on that waits for permission before it sends its body; curl and .NET wait a second or less.

    https://www.rfc-editor.org/rfc/rfc9110#name-expect
    """
    expectation = request.headers.get("Expect", "").lower()
    if expectation != "100-continue" or request.version < HttpVersion11 or request.transport is None:
        return
    request.transport.write(_CONTINUE)


def _error_body(exc: BatchError, endpoint: str, request_id: str, time: str) -> bytes:
    container = "Microsoft.Azure.Batch.Protocol.Entities.Container.errors"
    body: dict[str, object] = {
        "odata.metadata": f"{endpoint}/$metadata#{container}/@Element",
        "code": exc.error.code,
        "message": {
            "lang": "en-US",
            "value": f"{exc.message}\nRequestId:{request_id}\nTime:{time}",
        },
    }
    if exc.details:
        body["values"] = exc.values
    return json.dumps(body).encode()
