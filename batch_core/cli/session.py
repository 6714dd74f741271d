"""What every command begins with: which settings it reads, how it prints, and the app that these make."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from batch_core.app import App, open_app
from batch_core.cli.origin import Origin
from batch_core.cli.terminal import Terminal
from batch_core.config.local_settings import LOCAL_SETTINGS

_FILE = f"Read the settings from FILE instead of {LOCAL_SETTINGS}; '-': from the environment alone."
_JSON = "Print results as JSON: one document, of a list one a line."


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Options:
    """The options that every command has."""

    # '-' is a value.
    settings: Annotated[
        Path | None, Parameter(help=_FILE, metavar="FILE", allow_leading_hyphen=True, show_default=False)
    ] = None
    json: Annotated[bool, Parameter(negative="", help=_JSON, show_default=False)] = False


DEFAULTS = Options()


@dataclass(frozen=True, kw_only=True)
class Session:
    """An app that is open, and where a command prints."""

    app: App
    terminal: Terminal


type _Work[T] = Callable[[Session], Awaitable[T]]


def run[T](options: Options, work: _Work[T], terminal: Terminal | None = None, *, says_accounts: bool = False) -> T:
    """Open the app of the settings and do the work in an event loop of its own.

    Raises `SettingsError` and whatever the work raises.
    """
    origin = Origin.of(options.settings)
    printing = terminal or Terminal(is_json=options.json)
    if says_accounts:
        printing.say("\n".join(origin.accounts()))
    settings = origin.settings()

    async def working() -> T:
        app = open_app(settings, env=origin.values)
        try:
            return await work(Session(app=app, terminal=printing))
        finally:
            await app.clients.close()

    return asyncio.run(working())
