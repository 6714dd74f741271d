"""The command line: `python -m batch_emulator`."""

import argparse
import asyncio
import gc
import logging
import os
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from batch_emulator import __version__
from batch_emulator.access.origins import read_allowed
from batch_emulator.execution.container_engine import ENGINES, NO_ENGINE
from batch_emulator.server import running
from batch_emulator.settings import (
    ALLOWED_HOSTS_VARIABLE,
    AZURITE_KEY,
    DEFAULT_ACCOUNT,
    KEY_VARIABLE,
    STORAGE_VARIABLE,
    Settings,
    read_key,
)
from batch_emulator.store.database import StoreError

logger = logging.getLogger("batch_emulator")

_STDIN: Final = 0
_NO_END: Final = (
    "--until-stdin-closes needs a standard input that somebody holds open, such as a pipe: "
    "neither /dev/null nor a file is one"
)
_EXPOSED: Final = "Bound to %s: anyone who can reach this port and knows the key can run commands here"
_EXPOSED_WITH_TOKENS: Final = (
    "Bound to %s: anyone who can reach this port can run commands here, with or without the key, "
    "since the signature of bearer tokens is not verified"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the emulator until it is asked to stop; return the exit code."""
    settings = _read(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    if settings.log_requests:
        logging.getLogger("batch_emulator.request_log").setLevel(logging.INFO)
    if settings.is_exposed:
        logger.warning(_EXPOSED_WITH_TOKENS if settings.cert else _EXPOSED, settings.host)
    try:
        asyncio.run(_serve(settings))
    except (OSError, StoreError, ValueError) as exc:
        print(f"The emulator cannot start: {_reason(exc, settings)}", file=sys.stderr)
        return 1
    return 0


def _read(arguments: Sequence[str] | None) -> Settings:
    # Without abbreviations: --ke would be a way around the refusal of --key.
    parser = argparse.ArgumentParser(
        prog="azure-batch-emulator", description="An emulator of the Azure Batch service", allow_abbrev=False
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=_port, default=10003, help="0 takes any free port")
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--location", type=Path, default=Path(".batch-emulator"), metavar="DIR")
    place.add_argument("--in-memory", action="store_true", help="keep nothing after the end")
    parser.add_argument("--account", default=DEFAULT_ACCOUNT, metavar="NAME")
    parser.add_argument(
        "--account-key-file",
        type=Path,
        metavar="FILE",
        help=f"holds the account key, in base64; or set {KEY_VARIABLE}: arguments are visible in the list of processes",
    )
    parser.add_argument("--key", help=argparse.SUPPRESS)
    parser.add_argument(
        "--allow-host",
        action="append",
        metavar="NAME",
        help=f"another name by which clients reach the emulator; again for more, or set {ALLOWED_HOSTS_VARIABLE}",
    )
    parser.add_argument("--faults", type=Path, metavar="FILE", help="fault rules in force from the start")
    parser.add_argument(
        "--storage",
        metavar="CONNECTION_STRING",
        help=f"the storage account for identities and auto-storage; for a key of your own set {STORAGE_VARIABLE}",
    )
    parser.add_argument("--cert", type=Path, metavar="FILE", help="serve HTTPS with this certificate; take tokens")
    parser.add_argument("--key-file", type=Path, metavar="FILE", help="its private key, if it has a file of its own")
    parser.add_argument("--applications", type=Path, metavar="DIR", help="application packages: <id>/<version>.zip")
    parser.add_argument(
        *("--skip-api-version-check", "--skipApiVersionCheck"),
        action="store_true",
        help="serve unknown versions of the API as the known ones",
    )
    parser.add_argument("--strict-images", action="store_true", help="refuse images that the service does not offer")
    parser.add_argument(
        "--container-engine",
        default="",
        metavar="PROGRAM",
        help=f"what runs containers: {', '.join(ENGINES)}, a path, or {NO_ENGINE}; without it the first that answers",
    )
    parser.add_argument(
        "--until-stdin-closes",
        action="store_true",
        help="end when standard input does: for a program that starts this one, however that ends",
    )
    parser.add_argument("--version", action="version", version=f"azure-batch-emulator {__version__}")
    parser.add_argument("--log-requests", action="store_true", help="write a line for each request to standard error")
    given = parser.parse_args(arguments)
    if given.key_file and not given.cert:
        parser.error("--key-file needs --cert")
    if given.key is not None:
        parser.error(
            f"--key is no option any more, since every user of this machine can read it in the list of processes: "
            f"set {KEY_VARIABLE}, or name a file with --account-key-file"
        )
    if given.storage and _holds_secret(given.storage):
        parser.error(
            f"--storage holds a key or signature, which every user of this machine can read in the list of processes: "
            f"set {STORAGE_VARIABLE} instead"
        )
    try:
        key, allowed_hosts = read_key(given.account_key_file, os.environ), read_allowed(_hosts(given.allow_host))
    except ValueError as exc:
        parser.error(str(exc))
    return Settings(
        host=given.host,
        port=given.port,
        location=None if given.in_memory else given.location,
        account=given.account,
        key=key,
        allowed_hosts=allowed_hosts,
        cert=given.cert,
        key_file=given.key_file,
        faults=given.faults,
        storage=given.storage or os.environ.get(STORAGE_VARIABLE),
        applications=given.applications,
        skip_api_version_check=given.skip_api_version_check,
        strict_images=given.strict_images,
        container_engine=given.container_engine,
        log_requests=given.log_requests,
        until_stdin_closes=given.until_stdin_closes,
    )


def _hosts(arguments: Sequence[str] | None) -> list[str]:
    named = re.split(r"[,\s]+", os.environ.get(ALLOWED_HOSTS_VARIABLE, ""))
    return [name for name in (*(arguments or ()), *named) if name]


def _holds_secret(connection_string: str) -> bool:
    """Return whether a connection string has a signature, or a key other than the one that everybody knows."""
    parts = dict(part.strip().partition("=")[::2] for part in connection_string.split(";"))
    values = {name.lower(): value for name, value in parts.items()}
    return "sharedaccesssignature" in values or values.get("accountkey", AZURITE_KEY) != AZURITE_KEY


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: there are 0 to 65535")
    return int(text)


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        # A terminal that was closed, unless nohup has it ignored.
        signals.append(signal.SIGHUP)
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    if settings.until_stdin_closes:
        _watch_stdin(loop, stop)
    async with running(settings) as url:
        state = settings.location.resolve() if settings.location else "memory"
        print(
            f"Azure Batch emulator ready at {url} (account {settings.account}, "
            f"key {settings.shown_key}, state in {state})",
            flush=True,
        )
        _spare_the_collector()
        await stop.wait()


def _watch_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Stop at the end of standard input. Raises ValueError where no end of it can be waited for."""
    if sys.stdin is None:
        raise ValueError(_NO_END)
    try:
        loop.add_reader(_STDIN, _stop_at_the_end, loop, stop)
    except OSError as exc:
        raise ValueError(_NO_END) from exc


def _stop_at_the_end(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Pass over what is written to standard input; stop when nothing more can come."""
    try:
        is_over = not os.read(_STDIN, 65_536)
    except BlockingIOError:
        return
    except OSError:
        # A terminal that is gone, a connection that was reset.
        is_over = True
    if is_over:
        loop.remove_reader(_STDIN)
        stop.set()


def _spare_the_collector() -> None:
    """Look for cyclic garbage less often: requests leave none, and a look costs as much as one."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def _reason(exc: Exception, settings: Settings) -> str:
    if isinstance(exc, OSError):
        return f"{settings.host}:{settings.port}: {exc.strerror or exc}"
    return str(exc)


if __name__ == "__main__":
    sys.exit(main())
