"""The developer's stack: up until Ctrl-C."""

import asyncio
import shlex
import sys
from pathlib import Path
from typing import Final

from batch_core.config.route_book import RouteBook
from batch_core.errors import RoutesError
from batch_core.services import verbatim
from local import stack
from local.settings_file import CHECKOUT, AppSettings
from local.stack import Plan, Stack

_SAMPLE: Final = "local/samples/recipe.txt"


async def run(plan: Plan) -> None:
    """Run the stack until it is cancelled; raise StackError, also when a process ends by itself."""
    try:
        async with stack.running(plan, _say) as running:
            _say(summary(running))
            raise await running.first_end()
    except asyncio.CancelledError:
        _say(f"State and logs are kept in {plan.folder}: `rm -r {shlex.quote(str(plan.folder))}` removes them.")
        raise


def summary(running: Stack) -> str:
    """Return what a user needs to know about a stack that is up: addresses, logs, a first step."""
    plan = running.plan
    lines = [
        "",
        f"The stack is up, with the settings of {_shown(plan.settings.file)}. Ctrl-C ends it.",
        "",
        *_addresses(running),
        f"  Logs           {_shown(plan.logs)}",
        "",
        *_first_step(plan.settings),
        "",
    ]
    return "\n".join(lines)


def _first_step(settings: AppSettings) -> list[str]:
    """Advise to drop the sample, unless the routes ignore or reject it."""
    is_taken = _has_route(Path(_SAMPLE).name, settings)
    what = "a file" if is_taken else "a file that your routes take (--prefix puts folders before its name)"
    return [
        f"Drop {what} into the container {settings.values.get('INPUT_CONTAINER')!r}:",
        f"  {_batchdrop()} drop{settings.option} {_SAMPLE if is_taken else 'PATH'}",
    ]


def _has_route(name: str, settings: AppSettings) -> bool:
    """Return whether a blob of this name gets a task that runs; False while the routes cannot be read."""
    app_settings = settings.validated()
    try:
        return RouteBook(settings.values, verbatim.problems).routes(app_settings).for_blob(name) is not None
    except RoutesError:
        return False


def _batchdrop() -> str:
    """Return what the command line is called from here."""
    installed = Path(sys.executable).with_name("batchdrop")
    return _shown(installed) if installed.exists() else f"{_shown(Path(sys.executable))} -m batch_core"


def _addresses(running: Stack) -> list[str]:
    settings = running.plan.settings
    rows = [("Dashboard", running.dashboard), ("Functions", _functions(running))]
    if storage := settings.storage_ports:
        rows.append(("Blob service", storage.blob_endpoint))
        rows.append(("Queue service", storage.queue_endpoint))
        rows.append(("Table service", storage.table_endpoint))
    rows.append(("Batch", settings.values.get("BATCH_ENDPOINT", "")))
    return [f"  {title:<14} {address}" for title, address in rows]


def _functions(running: Stack) -> str:
    """Say where the functions are, how many, and which of them do not run, and why."""
    host = running.host
    idle = "; ".join(f"{name}, {reason}" for name, reason in host.not_running.items())
    verb = "does" if len(host.not_running) == 1 else "do"
    trouble = f", {len(host.not_running)} {verb} not run: {idle}" if idle else ""
    number = len(host.functions.keys() | host.not_running.keys())
    return f"{host.url} ({running.plan.host}, {number} functions{trouble})"


def _shown(path: Path) -> str:
    return str(path.relative_to(CHECKOUT) if path.is_relative_to(CHECKOUT) else path)


def _say(text: str) -> None:
    print(text, flush=True)
