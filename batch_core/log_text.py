"""What the app's log says: the text alone, because nothing else arrives.

The worker hands the host the formatted message of a record and nothing more, so that keys given as `extra=` never
reach Application Insights (`on_logging` in workers/proxy_worker/dispatcher.py of
https://github.com/Azure/azure-functions-python-worker). Whatever a reader or a query needs, figures and ids, is in
the message, as `name=value` where a query may look for it.
"""

import logging
from collections import Counter
from collections.abc import Mapping
from typing import Final

#: Everything that logs below these logs each call: two records at INFO, which is the level of the worker's root.
#: `azure.functions` is not among them: that is the worker's own.
#: `azure.monitor` is that of metrics, and logs each minute that it has sent them.
_SDKS: Final = ("azure.batch", "azure.core", "azure.data", "azure.identity", "azure.monitor", "azure.storage", "msal")


def quieten_sdks() -> None:
    """Limit the SDKs' loggers to warnings and worse; host.json does not filter loggers of Python."""
    for name in _SDKS:
        logging.getLogger(name).setLevel(logging.WARNING)


def figures(values: Mapping[str, object]) -> str:
    """Return `jobs=3 states=failed:1,succeeded:9 is_complete=true` for the fields of a tick's report."""
    return " ".join(f"{name}={_text(value)}" for name, value in values.items())


def _text(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case Counter():
            return ",".join(f"{name}:{count}" for name, count in sorted(value.items()) if count) or "none"
        case list():
            return ",".join(map(str, value)) or "none"
    return str(value)
