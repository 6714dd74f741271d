"""The command line of the host: `python -m local.host --port 7071 [--app FOLDER]`.

App settings are the environment's variables, as they are for every Functions host.
"""

import argparse
import asyncio
import importlib
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from local.errors import StackError
from local.host import logs
from local.host.host_settings import HostSettings
from local.host.http.access import Access
from local.host.running import running
from local.ports import port_number

# Also for hosts that the local stack starts.
_ALLOWED_HOSTS: Final = "FUNCTIONS_HOST_ALLOW_HOSTS"


def main() -> int:
    """Run the host until SIGINT or SIGTERM; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m local.host", description=__doc__)
    parser.add_argument("--port", type=port_number, default=7071, help="where to listen (7071)")
    parser.add_argument("--app", type=Path, default=Path.cwd(), help="the app's folder (here)")
    parser.add_argument(
        "--allow-host",
        action="append",
        metavar="NAME",
        default=[],
        help=f"another name by which the host is reached; again for more, or set {_ALLOWED_HOSTS}, with commas",
    )
    arguments = parser.parse_args()
    try:
        access = Access.by_names([*arguments.allow_host, *os.environ.get(_ALLOWED_HOSTS, "").replace(",", " ").split()])
        asyncio.run(_serve(arguments.app.resolve(), arguments.port, access), loop_factory=_event_loop())
    except StackError as exc:
        print(f"The Functions host cannot run: {exc}", file=sys.stderr)
        return 1
    finally:
        # The app's clients are never closed, as no app learns that its process ends. They complain of it while
        # the interpreter goes, when nothing can be logged any more: no tracebacks of that.
        logging.raiseExceptions = False
    return 0


def _event_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return what makes the event loop: uvloop's where it exists, as in the worker of Python 3.13.

    https://github.com/Azure/azure-functions-python-worker/blob/dev/workers/proxy_worker/start_worker.py
    """
    try:
        uvloop = importlib.import_module("uvloop")
    except ModuleNotFoundError:
        return asyncio.new_event_loop
    make: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return make


async def _serve(folder: Path, port: int, access: Access) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    settings = HostSettings.read(folder, os.environ)
    is_debugged = os.environ.get("PYTHON_ENABLE_DEBUG_LOGGING", "").lower() in {"1", "true"}
    logs.configure(settings.log_levels, is_debugged=is_debugged)
    async with running(folder, port=port, app_settings=dict(os.environ), settings=settings, access=access) as functions:
        print("Functions:", *functions, sep="\n  ")
        print(f"Functions host ready at http://127.0.0.1:{port}", flush=True)
        await stop.wait()


if __name__ == "__main__":
    sys.exit(main())
