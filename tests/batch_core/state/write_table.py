"""Writes `table_of_0_1.json`: the table of this version, made by its own code, with everything that a table can hold.

    .venv/bin/python -m tests.batch_core.state.write_table

Made once a release, under a name of its own: what is committed is never made again, since it is what later versions
must read. `test_upgrades.py` reads it.
"""

import asyncio
import json
import sys
import tempfile
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from azure.data.tables import EdmType, EntityProperty

from batch_core.app import App, app_on, open_app
from batch_core.bookkeeping import after_tick, write_counts
from batch_core.cancel import cancel
from batch_core.cli import provision
from batch_core.collect import collect
from batch_core.config.settings import Settings
from batch_core.obstacle import Obstacle
from batch_core.reconcile import reconcile
from batch_core.retry import retry
from batch_core.state.changes import Change, Closing
from batch_core.state.index import Marks
from batch_core.state.listing import Place, RecordFilter
from batch_core.state.pauses import Pause
from batch_core.state.record import Outcome, TaskRecord, TaskState
from batch_core.state.retention import RetentionMark
from batch_core.state.scaling import ScalingState
from batch_core.state.selections import Action, Selection, new_selection_id
from batch_core.state.sweep_checkpoint import SweepPosition
from batch_core.tidy import tidy
from local import azurite, emulator
from tests.batch_core.steps import (
    accepted_only,
    cancel_all,
    completed,
    dropped,
    later,
    recorded_only,
    running,
    submitted,
    with_command,
)

FILE = Path(__file__).with_name("table_of_0_1.json")
POOL = "pool-of-0-1"
MINUTE = timedelta(minutes=1)


async def ended(app: App) -> None:
    """Files whose tasks have ended in every way, the first of them announced."""
    ends = {"succeeded.txt": "echo out", "failed.txt": "echo err >&2; exit 3"}
    records = [await submitted(with_command(app, f"/bin/bash -c '{ends[name]}'"), name) for name in ends]
    await completed(app, [record.task_id for record in records])
    await collect(app)
    await write_counts(app)
    await retry(with_command(app, "/bin/sleep 600"), records[1].task_id, "a person")
    left = {"rejected.txt": TaskState.REJECTED, "output-lost.txt": TaskState.OUTPUT_LOST}
    left |= {"cancelled.txt": TaskState.CANCELLED}
    for name, state in left.items():
        stored = await recorded_only(app, await dropped(app, name))
        # Its process ends before it has announced this.
        await app.table.close([Closing.of(stored, Outcome(state=state, reason=f"it is {state}"))], app.now())


async def known(app: App) -> None:
    """Records that Batch has, and what ticks and people have made of them."""
    for name in ("runs.txt", "stopped.txt", "failing.txt"):
        await submitted(with_command(app, "/bin/sleep 600"), name)
    table = {record.blob: record for record in await records(app)}
    await running(app, table["runs.txt"].task_id)
    await reconcile(later(app, minutes=1))
    failing = await app.table.get(table["failing.txt"].task_id)
    noted = replace(failing.record, reason="its output is not copied yet", output_tries=2)
    await app.table.update([Change(failing, noted, Marks(failing_since=app.now()))])
    await cancel(app, table["stopped.txt"].task_id, "a person")


async def waiting(app: App) -> None:
    """Records that Batch has not taken, or has taken unheard, each for a reason of its own."""
    await recorded_only(app, await dropped(app, "recorded.txt"))
    await accepted_only(with_command(app, "/bin/true"), await dropped(app, "accepted.txt"))
    postponed = await recorded_only(app, await dropped(app, "postponed.txt"))
    waits = replace(postponed.record, reason="Batch is throttled", submit_tries=2, next_attempt_at=app.now() + MINUTE)
    await app.table.update([Change(postponed, waits)])
    archived = replace(await dropped(app, "archived.txt"), obstacle=Obstacle.ARCHIVED)
    await recorded_only(app, archived)


async def records(app: App) -> list[TaskRecord]:
    days = await app.table.days()
    return [one for day in days for one in (await app.listing.records(Place(day=day), RecordFilter(), 100)).found]


async def kept_for_people(app: App) -> None:
    """Pauses, selections, statistics, and what is remembered of pools and of the sweep."""
    await app.pauses.begin(Pause(route="thumbnails", since=app.now(), asked_by="a person"))
    wanted = RecordFilter(states=frozenset({TaskState.FAILED}), prefix="fail")
    asked = Selection(
        selection_id=new_selection_id(app.now()),
        action=Action.RETRY,
        wanted=wanted,
        day=None,
        asked_at=app.now(),
        asked_by="a person",
    )
    added = await app.selections.add(asked)
    await app.selections.save(replace(added, done=1, refused=1, refusal="it has changed", finished_at=app.now()))
    await app.scaling.save(ScalingState(pool_id="images", closing=("tvmps_1",), claimed_at=app.now(), failures=1))
    await app.statistics.add_node_seconds({POOL: 60.0}, app.now())
    await after_tick(app, "collect_outputs", {"states": {}, "listed": 3, "is_complete": True}, 0.5)
    await app.sweep_checkpoint.save(
        SweepPosition(
            container=app.settings.input_container,
            swept_until=app.now() - MINUTE,
            continuation="2!8!MDAw",
            started_at=app.now(),
            oldest_left=app.now() - MINUTE,
        )
    )


async def past_days(app: App) -> None:
    """A job of yesterday that is terminated, and a day whose work has ended and whose event nobody has sent."""
    yesterday = later(app, days=-1)
    job_id = await yesterday.jobs.current()
    await yesterday.jobs.make(job_id)
    await tidy(app)
    version = replace(await dropped(app, "past.txt"), last_modified=app.now() - timedelta(days=3))
    stored = await recorded_only(app, version)
    await app.table.close([Closing.of(stored, Outcome(state=TaskState.CANCELLED, reason="past"))], app.now())
    (day,) = {f"{version.last_modified:%Y%m%d}"}
    await app.table.forget_day(day, later(app, hours=3).now())
    (past, _) = await app.history.past_days("99999999")
    await app.history.note(past, last_end=app.now(), outputs_removed_to="796556-past", is_without_outputs=True)
    long_ago = app.now() - timedelta(days=90)
    await app.retention.move(RetentionMark(left_alone=long_ago, left_alone_since=app.now(), removable=long_ago))


async def write(app: App) -> None:
    for part in (ended, known, waiting, kept_for_people, past_days):
        # Each in a process of its own, which announces nothing that the one before has left behind.
        await part(app_on(app.clients, app.settings))
    client = app.clients.tables.get_table_client(app.settings.table_name)
    entities = [{name: _plain(value) for name, value in one.items()} async for one in client.list_entities()]
    text = json.dumps(entities, indent=1, ensure_ascii=False)
    FILE.write_text(f"{text}\n", encoding="utf-8")
    await cancel_all(app, [one for one in await records(app) if one.state is TaskState.SUBMITTED])
    sys.stdout.write(f"{len(entities)} entities in {FILE.name}\n")


def _plain(value: object) -> Any:
    match value:
        case EntityProperty(value=number, edm_type=EdmType.INT64):
            return {"Edm.Int64": number}
        case datetime():
            return {"Edm.DateTime": value.isoformat()}
    return value


async def main() -> None:
    folder = Path(tempfile.mkdtemp())
    async with AsyncExitStack() as parts:
        storage = await parts.enter_async_context(azurite.running(log=folder / "azurite.log"))
        batch = await parts.enter_async_context(emulator.running(log=folder / "batch.log", location=folder / "batch"))
        (folder / "routes.toml").touch()
        app = open_app(
            Settings.from_env(
                {
                    "DATA_STORAGE": storage.connection_string,
                    "EVENTS_QUEUE": "events",
                    "BATCH_ENDPOINT": batch.endpoint,
                    "BATCH_ACCOUNT_NAME": emulator.DEFAULT_ACCOUNT.name,
                    "BATCH_ACCOUNT_KEY": emulator.DEFAULT_ACCOUNT.key,
                    "BATCH_POOL_ID": POOL,
                    "POOL_TASK_SLOTS_PER_NODE": "16",
                    "ROUTES_FILE": str(folder / "routes.toml"),
                    "SWEEP_GRACE": "PT1S",
                    "EXPLAIN_AFTER": "PT1S",
                }
            )
        )
        parts.push_async_callback(app.clients.close)
        for resource in provision.resources(app):
            await provision.make(resource)
        await write(app)


if __name__ == "__main__":
    asyncio.run(main())
