"""The host's log: one readable line for each record, its extra keys and its traceback."""

import json
import logging
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime

#: What is being invoked, e.g. "submit 1f0c..."; stands at the end of the lines it logs.
current_invocation: ContextVar[str | None] = ContextVar("current_invocation", default=None)

_LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "information": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
    "none": logging.CRITICAL + 10,
}
_STANDARD_KEYS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

# Both tell of every request to Storage and every look for a credential, in many lines each.
_TOO_TALKATIVE = ("azure.core.pipeline.policies.http_logging_policy", "azure.identity")


def configure(log_levels: Mapping[str, str]) -> None:
    """Send all records to standard output, filtered by `logging.logLevel` of host.json.

    `default` is the level of everything; another category is taken for the logger of that name in
    lower case, so `Azure.Core` covers `azure.core`.
    """
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(LineFormatter())
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    for name in _TOO_TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    for category, level in log_levels.items():
        name = "" if category == "default" else category.lower()
        logging.getLogger(name).setLevel(_LEVELS.get(level.lower(), logging.INFO))


class LineFormatter(logging.Formatter):
    """Time, level, logger, message, `key=value` for each extra, and the invocation.

    Further lines of a message, e.g. a traceback in it, follow indented.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # the base class's
        head, *further = record.message.split("\n")
        parts = [
            f"{datetime.fromtimestamp(record.created, UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z",
            f"{record.levelname.lower():<8}{record.name}:",
            head,
            *(f"{key}={_shown(value)}" for key, value in _extras(record).items()),
        ]
        if invocation := current_invocation.get():
            parts.append(f"[{invocation}]")
        return "\n    ".join([" ".join(parts), *further])

    def usesTime(self) -> bool:  # noqa: N802  # the base class's
        return False


def _extras(record: logging.LogRecord) -> dict[str, object]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD_KEYS}


def _shown(value: object) -> str:
    text = str(value)
    return text if text.isprintable() and text and " " not in text else json.dumps(text)
