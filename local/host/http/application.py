"""The HTTP side of the host: functions' routes, the Event Grid webhook, the host's own pages.

Authorization levels are not enforced, as `func` does not enforce them locally.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from types import SimpleNamespace
from typing import Final

from aiohttp import web
from multidict import MultiMapping

from local.host.bindings import HttpTrigger
from local.host.errors import InvocationFailedError
from local.host.http.routes import Routes
from local.host.invoker import Invoker
from local.host.protos import TypedData

# The real host's limit: https://learn.microsoft.com/azure/azure-functions/functions-bindings-http-webhook-trigger#limits
_LARGEST_BODY: Final = 100 * 1024 * 1024

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, kw_only=True)
class HttpApplication:
    """Answers requests; `extra` are the host's own routes: (method, path) to handler."""

    routes: Routes
    invoker: Invoker
    extra: Mapping[tuple[str, str], Handler] = field(default_factory=dict)

    def application(self) -> web.Application:
        """Return the aiohttp application."""
        app = web.Application(client_max_size=_LARGEST_BODY)
        for (method, path), handler in self.extra.items():
            app.router.add_route(method, path, handler)
        # aiohttp decodes the path first: a line feed in it is one of the letters.
        app.router.add_route("*", r"/{path:[\s\S]*}", self._answer)
        return app

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        found = self.routes.find(request.method, request.raw_path.partition("?")[0])
        if found is None:
            return _up_and_running(request)
        trigger, parameters = found
        return await self._call(trigger, parameters, request)

    async def _call(self, trigger: HttpTrigger, parameters: dict[str, str], request: web.Request) -> web.StreamResponse:
        data = TypedData(http=await _incoming(request, parameters))
        call = self.invoker.call(
            trigger.function,
            reason=f"{request.method} {request.rel_url.path}",
            inputs={trigger.parameter: data},
        )
        try:
            return _outgoing(await call)
        except InvocationFailedError:
            return web.Response(status=HTTPStatus.INTERNAL_SERVER_ERROR)


def _up_and_running(request: web.Request) -> web.Response:
    if request.path == "/" and request.method in {"GET", "HEAD"}:
        return web.Response(text="Your Functions app is up and running.\n")
    return web.Response(status=HTTPStatus.NOT_FOUND)


async def _incoming(request: web.Request, parameters: dict[str, str]) -> SimpleNamespace:
    return SimpleNamespace(
        method=request.method,
        url=str(request.url),
        headers=_joined(request.headers),
        query=_joined(request.query),
        params=parameters,
        body=TypedData(bytes=await _body(request)),
    )


async def _body(request: web.Request) -> bytes:
    # The real host passes a body on only where Content-Length says that there is one: a chunked one arrives empty
    # (https://github.com/Azure/azure-functions-host/issues/7930).
    return await request.read() if request.content_length else b""


def _joined(values: MultiMapping[str]) -> dict[str, str]:
    # The real host hands repeated headers and query parameters on as one, joined by commas.
    return {name: ",".join(values.getall(name)) for name in values}


def _outgoing(value: TypedData | None) -> web.Response:
    match value:
        case None:
            return web.Response(status=HTTPStatus.NO_CONTENT)
        case TypedData(kind="http", value=SimpleNamespace() as http):
            return _response(http)
        case TypedData(kind="json"):
            return web.Response(text=str(value.value), content_type="application/json")
        case TypedData(kind="bytes", value=bytes() as body):
            return web.Response(body=body)
    return web.Response(text=str(value.value))


def _response(http: SimpleNamespace) -> web.Response:
    body = http.body.value if http.body else b""
    content = body if isinstance(body, bytes) else str(body).encode()
    response = web.Response(status=int(http.status_code), headers=http.headers, body=content)
    for cookie in http.cookies or ():
        _set_cookie(response, cookie)
    return response


def _set_cookie(response: web.Response, cookie: SimpleNamespace) -> None:
    def optional(name: str) -> object:
        nullable = getattr(cookie, name)
        return nullable.value if nullable else None

    expires = optional("expires")
    max_age = optional("max_age")
    same_site = {1: "Lax", 2: "Strict", 3: "None"}.get(cookie.same_site)
    response.set_cookie(
        cookie.name,
        cookie.value,
        domain=_text(optional("domain")),
        path=_text(optional("path")) or "/",
        expires=_http_date(expires.seconds) if isinstance(expires, SimpleNamespace) else None,
        max_age=int(max_age) if isinstance(max_age, float | int) else None,
        secure=bool(optional("secure")),
        httponly=bool(optional("http_only")),
        samesite=same_site,
    )


def _text(value: object) -> str | None:
    return str(value) if value else None


def _http_date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
