"""A worker that has the packages of an app alone: `python -I -S lone_worker.py APP LIBRARY START`.

LIBRARY holds the worker's own code and our host's records; START is the request by which the app is loaded. It runs two
ticks, waits for a line, and writes what there is to know as JSON.
"""

import asyncio
import json
import logging
import os
import sys
from types import SimpleNamespace as Message
from typing import Any

APP, LIBRARY, START = sys.argv[1:]
#: Everything that is logged: this is where the real worker passes it on to the host.
LOGGED: list[tuple[str, str, str]] = []


class PassingOn(logging.Handler):
    """Keeps records as the worker's handler sends them."""

    def emit(self, record: logging.LogRecord) -> None:
        LOGGED.append((record.name, record.levelname, record.getMessage()))


async def main() -> dict[str, Any]:
    """Load the app, run its ticks, and return what has become of it."""
    worker.start_threadpool_executor()
    fields = {"capabilities": {}, "function_app_directory": APP, "environment_variables": dict(os.environ)}
    capabilities = (await asked(START, **fields)).capabilities
    loaded = len(LOGGED)
    listed = (await asked("functions_metadata_request")).function_metadata_results
    functions = {one.name: one.function_id for one in listed}
    for name in ("collect_outputs", "reconcile_tasks"):
        await tick(functions[name])
    await asyncio.to_thread(sys.stdin.readline)
    await sys.modules["function_app"].process_app().clients.close()
    return {"capabilities": capabilities, "log": LOGGED[loaded:], **imported()}


async def asked(name: str, **fields: object) -> Any:
    request = Message(request=Message(**{name: Message(**fields)}), properties={"host": "127.0.0.1", "protos": protos})
    response = await getattr(worker, name)(request)
    if response.result.status != protos.StatusResult.Success:
        sys.exit(response.result.exception.stack_trace)
    return response


async def tick(function_id: str) -> None:
    timer = protos.TypedData(json=json.dumps({"IsPastDue": False, "Schedule": {}, "ScheduleStatus": None}))
    await asked(
        "invocation_request",
        invocation_id="1",
        function_id=function_id,
        input_data=[protos.ParameterBinding(name="timer", data=timer)],
        trigger_metadata={},
        trace_context=Message(trace_parent="", trace_state="", attributes={}),
        retry_context=Message(retry_count=0, max_retry_count=0, exception=None),
    )


def imported() -> dict[str, list[str]]:
    """Return what comes from elsewhere, and what every patch of another package begins with."""
    files = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
    known = (APP, LIBRARY, sys.base_prefix, __file__)
    return {
        "elsewhere": [name for name, file in files.items() if file and not file.startswith(known)],
        "patching": [name for name in files if name == "opentelemetry.instrumentation.instrumentor"],
    }


sys.path[:0] = [APP, f"{APP}/.python_packages/lib/site-packages"]
sys.path.append(LIBRARY)
logging.getLogger().setLevel(logging.INFO)
logging.getLogger().addHandler(PassingOn())

import azure_functions_runtime as worker  # noqa: E402 - found by the paths above

from local.host import protos  # noqa: E402

protos.FunctionEnvironmentReloadResponse = Message  # type: ignore[attr-defined] - our host never sends its request
sys.stdout.write(json.dumps(asyncio.run(main())))
