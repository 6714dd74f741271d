"""The requests of a process, which `recorder/` has counted, by service and by what they do."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final

#: Has Python load the recorder into a process that is started with it, which then writes its counts into a folder.
RECORDER: Final = Path(__file__).parent / "recorder"
#: Requests of the host's own: its trigger's listings, receipts and queue messages.
HOST: Final = "(the host's own)"

# The first that fits names the operation: method, path, and what the query says.
_OPERATIONS: Final = [
    ("batch", r"POST .*/addtaskcollection", "add tasks"),
    ("batch", r"POST .*/jobs$", "create job"),
    ("batch", r"GET .*/tasks$", "list completed tasks"),
    ("batch", r"GET .*/files/std(out|err)\.txt", "read stdout or stderr"),
    ("batch", r"GET .*/pools/[^/]*$", "look at the pool"),
    ("queue", r".*", HOST),
    ("blob", r".*/azure-webjobs-hosts", HOST),
    ("blob", r"GET .*comp=list", HOST),
    ("blob", r"HEAD .*/input/", "look at the input (both)"),
    ("blob", r"PUT .*/input/", "drop the file"),
    ("blob", r"PUT .*/output/", "write stdout or stderr"),
    ("table", r"POST .*/\$batch", "transaction"),
    ("table", r"GET .*", "query"),
    ("table", r"(POST|PUT|PATCH|MERGE) .*", "single write"),
]

#: How often each operation of each service was asked for.
type Calls = Counter[tuple[str, str]]


def recording(folder: Path) -> dict[str, str]:
    """Return the variables that have a process write its counts to `<folder>/<pid>.json` when it ends."""
    return {"CALL_COUNTS": str(folder), "PYTHONPATH": str(RECORDER)}


def calls_of(counts: Path, services: Mapping[int | None, str]) -> Calls:
    """Return the calls in a file of the recorder; `services` names what listens on which port."""
    calls: Calls = Counter()
    for method, url, query, count in json.loads(counts.read_text(encoding="utf-8")):
        service = services[int(url.split("/")[2].rpartition(":")[2])]
        calls[service, _operation(service, f"{method} {url} {query}".strip())] += count
    return calls


def of_the_app(calls: Calls) -> int:
    """Return how many of the calls are not the host's own."""
    return sum(count for (_, operation), count in calls.items() if operation != HOST)


def print_calls(calls: Calls, files: int) -> None:
    print(f"{'service':<8} {'operation':<26} {'requests':>8} {'per file':>9}")
    for (service, operation), count in sorted(calls.items()):
        print(f"{service:<8} {operation:<26} {count:>8} {count / files:>9.3f}")
    own = of_the_app(calls)
    print(f"{'app':<8} {'all':<26} {own:>8} {own / files:>9.3f}")


def _operation(service: str, request: str) -> str:
    for of_service, pattern, name in _OPERATIONS:
        if service == of_service and re.match(pattern, request):
            return name
    return re.sub(r" \S*", " ", request, count=1)
