"""The host's own pages: its state, and timers run by hand, at the real host's paths.

https://learn.microsoft.com/azure/azure-functions/functions-manually-run-non-http
"""

from http import HTTPStatus
from typing import Final

from aiohttp import web

from local.host.bindings import BlobTrigger, HttpTrigger, QueueTrigger, TimerTrigger, Trigger
from local.host.http.application import Handler
from local.host.http.routes import Routes
from local.host.json_text import posted_json
from local.host.selection import Selection
from local.host.timers.timer import Timer
from local.host.worker import Function

STATUS_PATH: Final = "/admin/host/status"
FUNCTIONS_PATH: Final = "/admin/functions"


def function_path(function: Function) -> str:
    """Return the path to which a POST runs a function that is not HTTP."""
    return f"/admin/functions/{function.name}"


def status(host_id: str) -> Handler:
    """Return the handler that says the host is up."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"id": host_id, "state": "Running", "version": "embedded"})

    return answer


def functions(selection: Selection, routes: Routes) -> Handler:
    """Return the handler that lists the functions: HTTP ones with their URL, those that do not run with the reason.

    `not_running` is a key of this host alone.
    """

    async def answer(request: web.Request) -> web.Response:
        urls = _urls(routes, f"http://{request.host}")
        names = [trigger.function.name for trigger in selection.triggers]
        listed = [{"name": name, "invoke_url_template": urls.get(name)} for name in names]
        listed += [{"name": name, "not_running": reason} for name, reason in selection.left_out.items()]
        return web.json_response(listed)

    return answer


def run_now(timer: Timer) -> Handler:
    """Return the handler that begins to run a timer's function, and does not wait for it.

    As the real host's it wants JSON, `{"input": ""}`, and may overlap the schedule.
    """

    async def answer(request: web.Request) -> web.Response:
        try:
            is_object = request.content_type == "application/json" and isinstance(await posted_json(request), dict)
        except ValueError:
            is_object = False
        if not is_object:
            return web.Response(status=HTTPStatus.BAD_REQUEST, text='the body must be JSON such as {"input": ""}\n')
        timer.call_by_hand()
        return web.Response(status=HTTPStatus.ACCEPTED)

    return answer


def listing(selection: Selection, routes: Routes, address: str) -> list[str]:
    """Return a line for every function: its name and what calls it, or why nothing does."""
    urls = _urls(routes, address)
    lines = [(t.function.name, _caller(t, urls.get(t.function.name, ""))) for t in selection.triggers]
    lines += selection.left_out.items()
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
