"""What lists and the summary cost when the table holds little, and when it holds much.

    .venv/bin/python bench/listing.py [--records 2000 200000]

Starts an Azurite and an emulator of its own, fills a table of its own for each size with records of a year that have
ended, and a few that are open, and prints for each request how many calls it makes to the table and how long it takes.
Azurite looks at every entity of a table for each query, so that its time grows with the table; calls are what counts.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import batched
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from azure.core.pipeline.transport import AioHttpTransport

CHECKOUT: Final = Path(__file__).parents[1]
sys.path.insert(0, str(CHECKOUT))

from batch_core.app import App, open_app  # noqa: E402 - a script finds the project's packages only now
from batch_core.cli import provision  # noqa: E402
from batch_core.http.summaries import summary_reply  # noqa: E402
from batch_core.http.task_lists import task_page_reply  # noqa: E402
from batch_core.listing import TaskQuery, list_tasks  # noqa: E402
from batch_core.naming import BlobVersion  # noqa: E402
from batch_core.state.entities import record_entity  # noqa: E402
from batch_core.state.listing import RecordFilter  # noqa: E402
from batch_core.state.record import DetectedBy, TaskRecord, TaskState  # noqa: E402
from batch_core.submit import new_record  # noqa: E402
from batch_core.summary import summarize  # noqa: E402
from local import azurite, emulator  # noqa: E402
from local.functions_host import HostKind  # noqa: E402
from local.stack import Plan  # noqa: E402

DAYS: Final = 365
OPEN: Final = 60
ROUNDS: Final = 5


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of one request: calls to the table and to Batch, the median time in milliseconds, bytes of the reply."""

    table: int
    batch: int
    milliseconds: float
    size: int


@asynccontextmanager
async def running_app(plan: Plan, name: str) -> AsyncIterator[App]:
    """Open an app with a table of its own."""
    app = open_app((plan.settings.with_values(TABLE_NAME=name)).validated())
    try:
        for resource in provision.resources(app):
            await provision.make(resource)
        yield app
    finally:
        await app.clients.close()


async def fill(app: App, count: int) -> None:
    """Write so many records of the last year that have ended, and a few of today that are open."""
    table = app.clients.tables.get_table_client(app.settings.table_name)
    per_day = max(count // DAYS, 1)
    for ago in range(min(DAYS, count)):
        records = [ended(app, ago, number) for number in range(per_day)]
        for some in batched(records, 100, strict=False):
            await table.submit_transaction([("create", record_entity(record)) for record in some])
        await app.history.add(records[0].task_id[:8])
    await app.history.note_whole()
    await app.table.insert([version_record(app, 0, per_day + number, "open") for number in range(OPEN)])


def ended(app: App, ago: int, number: int) -> TaskRecord:
    state = TaskState.FAILED if number % 50 == 0 else TaskState.SUCCEEDED
    reason = "the command ended with exit code 1" if state is TaskState.FAILED else None
    return replace(
        version_record(app, ago, number, "ended"), state=state, reason=reason, exit_code=int(reason is not None)
    )


def version_record(app: App, ago: int, number: int, kind: str) -> TaskRecord:
    moment = app.now().replace(hour=1, minute=0, second=0, microsecond=0) - timedelta(days=ago)
    version = BlobVersion(
        container="input",
        name=f"{kind}/{ago:03}/{number:06}.txt",
        etag=f"{ago}-{number}",
        last_modified=moment + timedelta(seconds=number % 3600),
        size=1000,
    )
    record = new_record(app, version, DetectedBy.TRIGGER, 1)
    return replace(record, route="settings", recorded_at=version.last_modified)


async def cost_of(sent: list[str], request: Callable[[], Awaitable[bytes]]) -> Cost:
    """Make a request a few times."""
    times = []
    for _ in range(ROUNDS):
        sent.clear()
        began = time.perf_counter()
        body = await request()
        times.append(1000 * (time.perf_counter() - began))
    return Cost(
        table=sent.count("table"), batch=sent.count("batch"), milliseconds=statistics.median(times), size=len(body)
    )


def requests(app: App) -> dict[str, Callable[[], Awaitable[bytes]]]:
    """Return what is measured, by name."""

    def page(query: TaskQuery) -> Callable[[], Awaitable[bytes]]:
        async def request() -> bytes:
            return task_page_reply(await list_tasks(app, query)).body

        return request

    async def summary() -> bytes:
        return summary_reply(await summarize(app)).body

    failed = RecordFilter(states=frozenset({TaskState.FAILED}))
    queued = RecordFilter(states=frozenset({TaskState.QUEUED}))
    return {
        "the newest 50": page(TaskQuery()),
        "failed ones": page(TaskQuery(wanted=failed)),
        "of a route that has none": page(TaskQuery(wanted=RecordFilter(route="none"))),
        "queued ones": page(TaskQuery(wanted=queued)),
        "waiting for long": page(TaskQuery(waiting=timedelta(0))),
        "the summary": summary,
    }


def counting(services: dict[int | None, str]) -> list[str]:
    """Count requests by service from now on, in a list that is returned."""
    sent: list[str] = []
    send = AioHttpTransport.send

    async def counting_send(self: AioHttpTransport, request: Any, **options: Any) -> Any:  # noqa: ANN401
        sent.append(services.get(urlsplit(request.url).port, "other"))
        return await send(self, request, **options)

    AioHttpTransport.send = counting_send
    return sent


async def measure(sizes: Sequence[int], folder: Path) -> None:
    plan = Plan.throwaway(folder, HostKind.EMBEDDED)
    ports, port = plan.settings.storage_ports, plan.settings.batch_port
    if ports is None or port is None:
        raise SystemExit("a throwaway stack has an Azurite and an emulator of its own")
    sent = counting({ports.table: "table", port: "batch"})
    async with (
        azurite.running(log=folder / "azurite.log", ports=ports),
        emulator.running(
            log=folder / "emulator.log", location=folder / "batch", port=port, account=plan.settings.batch_account
        ),
    ):
        costs = []
        for size in sizes:
            async with running_app(plan, f"tasks{size}") as app:
                await fill(app, size)
                costs.append({name: await cost_of(sent, request) for name, request in requests(app).items()})
    show(sizes, costs)


def show(sizes: Sequence[int], costs: Sequence[dict[str, Cost]]) -> None:
    print(f"{'':26}" + "".join(f"{size:>24,} records" for size in sizes))
    print(f"{'request':26}" + f"{'table':>8}{'Batch':>7}{'ms':>9}{'kB':>8}" * len(sizes))
    for name in costs[0]:
        cells = [
            f"{cost.table:>8}{cost.batch:>7}{cost.milliseconds:>9.0f}{cost.size / 1000:>8.1f}"
            for cost in (one[name] for one in costs)
        ]
        print(f"{name:26}{''.join(cells)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, nargs="+", default=[2_000, 200_000])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-listing-") as folder:
        asyncio.run(measure(arguments.records, Path(folder)))


if __name__ == "__main__":
    main()
