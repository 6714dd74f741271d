"""The host's log: what a real host would show of each record, which is its formatted message and its traceback.

Keys given as `extra=` are lost there: the worker sends the message alone (`on_logging` in
workers/proxy_worker/dispatcher.py of https://github.com/Azure/azure-functions-python-worker). Levels in host.json are
those of the host's categories, `Function.<name>.User` for what a function logs, and never the names of Python loggers;
the worker's root logger is at INFO, or at DEBUG with PYTHON_ENABLE_DEBUG_LOGGING.
"""

import logging
import re
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final

#: What is being invoked, e.g. "submit 1f0c..."; ends the lines that it logs.
current_invocation: ContextVar[str | None] = ContextVar("current_invocation", default=None)

#: What the host itself logs has the host's categories, whichever of its modules it comes from.
_OWN_LOGGERS: Final = f"{__package__}."

_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")

_LEVELS: Final = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "information": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
    "none": logging.CRITICAL + 10,
}


def configure(log_levels: Mapping[str, str], *, is_debugged: bool = False) -> None:
    """Send all records to standard output, filtered by `logging.logLevel` of host.json."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(LineFormatter())
    handler.addFilter(CategoryFilter(log_levels))
    logging.basicConfig(handlers=[handler], level=logging.DEBUG if is_debugged else logging.INFO, force=True)


class CategoryFilter(logging.Filter):
    """Lets pass what the level of the record's category allows; the longest prefix of the category counts."""

    def __init__(self, log_levels: Mapping[str, str]) -> None:
        super().__init__()
        levels = {category.lower(): _LEVELS.get(level.lower(), logging.INFO) for category, level in log_levels.items()}
        self._default = levels.pop("default", logging.INFO)
        self._levels = levels

    def filter(self, record: logging.LogRecord) -> bool:
        if _is_of_this_host(record):
            return False
        return record.levelno >= self._level(_category(record).lower())

    def _level(self, category: str) -> int:
        parts = category.split(".")
        prefixes = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
        return next((self._levels[prefix] for prefix in prefixes if prefix in self._levels), self._default)


def _category(record: logging.LogRecord) -> str:
    invocation = current_invocation.get()
    name = (invocation or "").partition(" ")[0]
    if f"{record.name}.".startswith(_OWN_LOGGERS):
        return f"Function.{name}" if invocation else "Host"
    return f"Function.{name}.User" if invocation else record.name


def _is_of_this_host(record: logging.LogRecord) -> bool:
    # The real host is no Python program: what the SDKs log of this one's own calls would not be in its log.
    is_of_an_sdk = record.name.startswith("azure.") and record.levelno < logging.WARNING
    return is_of_an_sdk and current_invocation.get() is None


def _visible(text: str) -> str:
    """Escape what would begin a line elsewhere, or steer a terminal: names of blobs and URLs may hold it."""
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


class LineFormatter(logging.Formatter):
    """Time, level, logger, message and the invocation.

    Further lines of a message, e.g. a traceback in it, follow indented.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # the base class's
        head, *further = _visible(record.message).split("\n")
        parts = [
            f"{datetime.fromtimestamp(record.created, UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z",
            f"{record.levelname.lower():<8}{record.name}:",
            head,
        ]
        if invocation := current_invocation.get():
            parts.append(f"[{invocation}]")
        return "\n    ".join([" ".join(parts), *further])

    def formatException(self, ei: Any) -> str:  # noqa: N802, ANN401  # the base class's
        return "\n".join("    " + line for line in _visible(super().formatException(ei)).split("\n"))

    def usesTime(self) -> bool:  # noqa: N802  # the base class's
        return False
