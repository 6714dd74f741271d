"""The Functions host as a process of the stack: Microsoft's `func`, or the embedded one."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import aiohttp

from local.errors import NotInstalledError
from local.ports import ADDRESS
from local.processes import ChildProcess
from local.settings_file import CHECKOUT, AppSettings

_INSTALL_HINT: Final = "https://learn.microsoft.com/azure/azure-functions/functions-run-local"

# `func` downloads its extension bundle when it first runs.
_START_SECONDS: Final = {"func": 300.0, "embedded": 60.0}


class HostKind(StrEnum):
    """Which Functions host runs the app."""

    FUNC = "func"  #: Azure Functions Core Tools
    EMBEDDED = "embedded"  #: local.host

    @classmethod
    def chosen(cls, text: str) -> "HostKind":
        """Return the kind for `func`, `embedded` or `auto` (func if it is on PATH).

        Raise NotInstalledError when `func` is asked for and absent.
        """
        is_there = shutil.which("func") is not None
        if text == cls.FUNC and not is_there:
            raise NotInstalledError(
                "Azure Functions Core Tools are not installed (no `func` on PATH): install them"
                f" ({_INSTALL_HINT}) or use --host embedded"
            )
        return (cls.FUNC if is_there else cls.EMBEDDED) if text == "auto" else cls(text)


@dataclass(frozen=True, kw_only=True)
class FunctionsHost:
    """A running host; `functions` are names and, for HTTP, URLs; `not_running` are names and reasons.

    Only the embedded host reports what does not run; `func` says it in its log.
    """

    url: str
    functions: dict[str, str | None]
    not_running: dict[str, str]
    process: ChildProcess


type RunningHost = AbstractAsyncContextManager[FunctionsHost]


@asynccontextmanager
async def running(
    kind: HostKind, settings: AppSettings, *, log: Path, module: str = "local.host"
) -> AsyncIterator[FunctionsHost]:
    """Run the app of this checkout until the block is left; raise StackError.

    `func start` was written from its documentation and has not been run where this was made: both
    hosts are used through the same command line, environment and admin pages. `module` is what is
    run as the embedded one.
    """
    port = settings.host_port
    url = f"http://{ADDRESS}:{port}"
    async with await ChildProcess.start(
        f"the Functions host ({kind})",
        _command(kind, port, module),
        log=log,
        env=_environment(kind, settings),
        cwd=CHECKOUT,
    ) as process:
        await process.wait_until(lambda: _is_running(url), seconds=_START_SECONDS[kind])
        functions, not_running = await _functions(url)
        yield FunctionsHost(url=url, functions=functions, not_running=not_running, process=process)


def _command(kind: HostKind, port: int, module: str) -> list[str]:
    if kind is HostKind.FUNC:
        return ["func", "start", "--port", str(port)]
    return [sys.executable, "-m", module, "--port", str(port), "--app", str(CHECKOUT)]


def _environment(kind: HostKind, settings: AppSettings) -> dict[str, str]:
    environment = settings.environment()
    if kind is HostKind.FUNC:
        # Variables win over local.settings.json in `func`, which starts the Python it finds first.
        scripts = Path(sys.executable).parent
        environment["PATH"] = f"{scripts}{os.pathsep}{environment.get('PATH', '')}"
        environment["VIRTUAL_ENV"] = str(scripts.parent)
        environment["languageWorkers__python__defaultExecutablePath"] = sys.executable
    return environment


async def _is_running(url: str) -> bool:
    try:
        async with (
            asyncio.timeout(5),
            aiohttp.ClientSession() as http,
            http.get(f"{url}/admin/host/status") as response,
        ):
            return response.ok and (await response.json()).get("state") == "Running"
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return False


async def _functions(url: str) -> tuple[dict[str, str | None], dict[str, str]]:
    async with aiohttp.ClientSession() as http, http.get(f"{url}/admin/functions") as response:
        listed = await response.json()
    functions = {function["name"]: function.get("invoke_url_template") for function in listed}
    not_running = {function["name"]: function["not_running"] for function in listed if "not_running" in function}
    return functions, not_running
