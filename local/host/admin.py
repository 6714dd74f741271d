"""The host's own pages: its state, and timers run by hand, at the real host's paths.

https://learn.microsoft.com/azure/azure-functions/functions-manually-run-non-http
"""

from collections.abc import Sequence
from http import HTTPStatus

from aiohttp import web

from local.host.bindings import BlobTrigger, HttpTrigger, QueueTrigger, TimerTrigger, Trigger
from local.host.http_front import Handler
from local.host.routes import Routes
from local.host.timers import Timer
from local.host.worker import Function

STATUS_PATH = "/admin/host/status"
FUNCTIONS_PATH = "/admin/functions"


def function_path(function: Function) -> str:
    """Return the path to which a POST runs a function that is not HTTP."""
    return f"/admin/functions/{function.name}"


def status(host_id: str) -> Handler:
    """Return the handler that says the host is up."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"id": host_id, "state": "Running", "version": "embedded"})

    return answer


def functions(triggers: Sequence[Trigger], routes: Routes) -> Handler:
    """Return the handler that lists the functions, HTTP ones with the URL that calls them."""

    async def answer(request: web.Request) -> web.Response:
        urls = _urls(routes, f"http://{request.host}")
        names = [trigger.function.name for trigger in triggers]
        return web.json_response([{"name": name, "invoke_url_template": urls.get(name)} for name in names])

    return answer


def run_now(timer: Timer) -> Handler:
    """Return the handler that runs a timer's function once, and answers when it has ended."""

    async def answer(_: web.Request) -> web.Response:
        await timer.call_once()
        return web.Response(status=HTTPStatus.ACCEPTED)

    return answer


def listing(triggers: Sequence[Trigger], routes: Routes, address: str) -> list[str]:
    """Return a line for every function: its name and what calls it."""
    urls = _urls(routes, address)
    lines = [(t.function.name, _caller(t, urls.get(t.function.name, ""))) for t in triggers]
    width = max(len(name) for name, _ in lines)
    return [f"{name:<{width}}  {caller}" for name, caller in lines]


def _urls(routes: Routes, address: str) -> dict[str, str]:
    return {route.trigger.function.name: f"{address}/{route.template}" for route in routes.routes}


def _caller(trigger: Trigger, url: str) -> str:
    match trigger:
        case HttpTrigger():
            return f"[{','.join(sorted(trigger.methods)) or 'any'}] {url}"
        case TimerTrigger():
            return f"timer {trigger.schedule}"
        case BlobTrigger():
            return f"blob {trigger.path} ({trigger.source})"
        case QueueTrigger():
            return f"queue {trigger.queue}"
