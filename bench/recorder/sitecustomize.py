"""Counts the requests that a process sends through the Azure SDKs; Python loads it from a folder on PYTHONPATH.

When the process ends, and whenever it receives SIGUSR1, the counts so far are in `$CALL_COUNTS/<pid>.json`, as a list
of [method, URL without query, `comp` and `restype` of the query, count]. A part of a path with a digit in it names one
of many, and is counted as `*`: so counting needs no more memory with more files.
"""

import atexit
import json
import os
import re
import signal
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
    path = re.sub(r"[^/]*\d[^/]*", "*", parts.path)
    _counts[request.method, f"{parts.scheme}://{parts.netloc}{path}", words] += 1
    return await _send(self, request, **kwargs)


def _write(*_: object) -> None:
    rows = [[*key, count] for key, count in _counts.items()]
    path = Path(os.environ["CALL_COUNTS"], f"{os.getpid()}.json")
    # Whole at once, for who waits for it.
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(rows), encoding="utf-8")
    unfinished.replace(path)


if "CALL_COUNTS" in os.environ:
    AioHttpTransport.send = _counting_send
    atexit.register(_write)
    signal.signal(signal.SIGUSR1, _write)
