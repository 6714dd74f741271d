"""The command line of the host: `python -m local.host --port 7071 [--app FOLDER]`.

App settings are the environment's variables, as they are for every Functions host.
"""

import argparse
import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

from local.errors import StackError
from local.host import logs
from local.host.host_settings import HostSettings
from local.host.running import running
from local.ports import port_number


def main() -> int:
    """Run the host until SIGINT or SIGTERM; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m local.host", description=__doc__)
    parser.add_argument("--port", type=port_number, default=7071, help="where to listen (7071)")
    parser.add_argument("--app", type=Path, default=Path.cwd(), help="the app's folder (here)")
    arguments = parser.parse_args()
    try:
        asyncio.run(_serve(arguments.app.resolve(), arguments.port))
    except StackError as exc:
        print(f"The Functions host cannot run: {exc}", file=sys.stderr)
        return 1
    finally:
        # The app's clients are never closed, as nobody tells an app that its process ends. They complain of it while
        # the interpreter goes, when nothing can be logged any more: no tracebacks of that.
        logging.raiseExceptions = False
    return 0


async def _serve(folder: Path, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    settings = HostSettings.read(folder)
    logs.configure(settings.log_levels)
    async with running(folder, port=port, app_settings=dict(os.environ), settings=settings) as functions:
        print("Functions:", *functions, sep="\n  ")
        print(f"Functions host ready at http://127.0.0.1:{port}", flush=True)
        await stop.wait()


if __name__ == "__main__":
    sys.exit(main())
