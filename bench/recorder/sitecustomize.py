"""Counts the requests that a process sends through the Azure SDKs; Python loads it from a folder on PYTHONPATH.

When the process ends, the counts are in `$CALL_COUNTS/<pid>.json`, as a list of [method, URL without query, `comp` and
`restype` of the query, count].
"""

import atexit
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from azure.core.pipeline.transport import AioHttpTransport

_counts: Counter[tuple[str, str, str]] = Counter()
_send = AioHttpTransport.send


async def _counting_send(self: AioHttpTransport, request: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the SDK has it
    parts = urlsplit(request.url)
    query = parse_qs(parts.query)
    words = "&".join(f"{name}={query[name][0]}" for name in ("comp", "restype") if name in query)
    _counts[request.method, f"{parts.scheme}://{parts.netloc}{parts.path}", words] += 1
    return await _send(self, request, **kwargs)


def _write() -> None:
    rows = [[*key, count] for key, count in _counts.items()]
    Path(os.environ["CALL_COUNTS"], f"{os.getpid()}.json").write_text(json.dumps(rows), encoding="utf-8")


if "CALL_COUNTS" in os.environ:
    AioHttpTransport.send = _counting_send
    atexit.register(_write)
