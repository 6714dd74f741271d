"""The paths of the emulator's own interface."""

from typing import Final

from aiohttp import web

from batch_emulator.call import Call
from batch_emulator.control import faults, health, nodes, overview, page_files, quotas, state, tasks
from batch_emulator.control.answers import refuse
from batch_emulator.faults.form import Invalid
from batch_emulator.routing import Handler, Operation


def _route(method: str, path: str, handler: Handler) -> Operation:
    return Operation(name=handler.__name__, method=method, path=f"/_emulator{path}", handler=_naming_problems(handler))


def _naming_problems(handler: Handler) -> Handler:
    async def answer(call: Call) -> web.StreamResponse:
        try:
            return await handler(call)
        except Invalid as exc:
            return refuse(call, exc)

    return answer


CONTROL_ROUTES: Final = (
    _route("GET", "/", page_files.show_page),
    _route("GET", "/page/page.css", page_files.show_styles),
    _route("GET", "/page/page.js", page_files.show_script),
    _route("GET", "/overview", overview.show_overview),
    _route("GET", "/jobs/{jobId}/tasks/{taskId}", tasks.show_task),
    _route("GET", "/health", health.health),
    _route("GET", "/faults", faults.list_faults),
    _route("POST", "/faults", faults.add_faults),
    _route("DELETE", "/faults", faults.clear_faults),
    _route("DELETE", "/faults/{faultId}", faults.remove_fault),
    _route("GET", "/quotas", quotas.get_quotas),
    _route("PUT", "/quotas", quotas.set_quotas),
    _route("POST", "/pools/{poolId}/nodes/{nodeId}/lose", nodes.lose),
    _route("POST", "/pools/{poolId}/nodes/{nodeId}/preempt", nodes.preempt),
    _route("POST", "/pools/{poolId}/nodes/{nodeId}/makeunusable", nodes.make_unusable),
    _route("POST", "/pools/{poolId}/nodes/{nodeId}/makeunknown", nodes.make_unknown),
    _route("POST", "/pools/{poolId}/nodes/{nodeId}/failstarttask", nodes.fail_start_task),
    _route("POST", "/pools/{poolId}/nodes/{nodeId}/recover", nodes.recover),
    _route("POST", "/pools/{poolId}/failnextstarttasks", nodes.fail_next_start_tasks),
    _route("POST", "/jobs/{jobId}/tasks/{taskId}/expirefiles", tasks.expire_files),
    _route("GET", "/state", state.dump_state),
    _route("POST", "/reset", state.reset),
)
