"""The paths of the emulator's own interface."""

from typing import Final

from batch_emulator.control import faults, quotas, state, tasks
from batch_emulator.routes import Handler, Operation


def _route(method: str, path: str, handler: Handler) -> Operation:
    return Operation(name=handler.__name__, method=method, path=f"/_emulator{path}", handler=handler)


CONTROL_ROUTES: Final = (
    _route("GET", "/faults", faults.list_faults),
    _route("POST", "/faults", faults.add_faults),
    _route("DELETE", "/faults", faults.clear_faults),
    _route("DELETE", "/faults/{faultId}", faults.remove_fault),
    _route("GET", "/quotas", quotas.get_quotas),
    _route("PUT", "/quotas", quotas.set_quotas),
    _route("POST", "/jobs/{jobId}/tasks/{taskId}/expirefiles", tasks.expire_files),
    _route("GET", "/state", state.dump_state),
    _route("POST", "/reset", state.reset),
)
