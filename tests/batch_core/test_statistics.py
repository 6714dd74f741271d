"""What is counted for people: right when all is quiet, and nothing is held up by it."""

import asyncio
import json
import logging
from collections import Counter
from datetime import timedelta

import pytest

from batch_core import bookkeeping
from batch_core.app import app_on
from batch_core.bookkeeping import after_tick, write_counts
from batch_core.cancel import cancel
from batch_core.collect import CollectReport, collect
from batch_core.errors import Unavailable
from batch_core.http.summaries import summary_reply
from batch_core.reconcile import reconcile
from batch_core.state.record import TaskState
from batch_core.state.statistics import KEPT
from batch_core.state.table import DAY_PATIENCE
from batch_core.state.tally import Counts, Minute
from batch_core.summary import summarize
from batch_core.tidy import tidy
from tests.batch_core.steps import cancel_all, collected, later, running, submitted, with_command, with_routes
from tests.batch_core.test_listing import recorded

LONG = "/bin/sleep 600"


async def statistics(app, **options):
    return await app.statistics.read(app.now(), **({"days": 2, "hours": 2} | options))


async def day_of(app):
    return (await statistics(app)).days.get(f"{app.now():%Y%m%d}", {})


def counts(now, number, route="r", state="succeeded", waited=2.0):
    minute = Minute(states=Counter({state: number}), waited=number, waited_seconds=waited * number, longest_wait=waited)
    return Counts(days=Counter({(f"{now:%Y%m%d}", route, state): number}), minutes={f"{now:%Y%m%d%H%M}": minute})


async def test_what_has_ended_is_counted_by_day_route_and_minute(storage_app, calls):
    now = storage_app.now()
    calls.clear()
    await storage_app.statistics.add(counts(now, 3))
    assert len(calls) == 2
    await storage_app.statistics.add(counts(now, 2, waited=9.0))
    await storage_app.statistics.add(counts(now, 1, route="other", state="failed"))
    found = await statistics(storage_app)
    assert found.days == {f"{now:%Y%m%d}": {"r": Counter(succeeded=5), "other": Counter(failed=1)}}
    minute = Minute(states=Counter(succeeded=5, failed=1), waited=6, waited_seconds=26.0, longest_wait=9.0)
    assert found.minutes == {f"{now:%Y%m%d%H%M}": minute}


async def test_what_ends_may_be_of_many_days(storage_app):
    now = storage_app.now()
    many = Counts()
    for ago in range(130):
        many.add(counts(now - timedelta(days=ago), 1))
    await storage_app.statistics.add(many)
    assert len((await statistics(storage_app, days=200)).days) == 130


async def test_instances_that_count_at_the_same_time_lose_nothing(storage_app):
    now = storage_app.now()
    await asyncio.gather(*(storage_app.statistics.add(counts(now, 1)) for _ in range(4)))
    assert (await day_of(storage_app))["r"] == Counter(succeeded=4)


async def test_what_cannot_be_written_now_is_written_the_next_time(storage_app, monkeypatch):
    async def unavailable(*_):
        raise Unavailable("counting")

    await recorded(storage_app, 3, state=TaskState.SUCCEEDED)
    with monkeypatch.context() as patch:
        patch.setattr(type(storage_app.statistics), "add", unavailable)
        await write_counts(storage_app)
    assert await day_of(storage_app) == {}
    await recorded(storage_app, 2, prefix="g", state=TaskState.FAILED)
    await write_counts(storage_app)
    await write_counts(storage_app)
    assert await day_of(storage_app) == {"r": Counter(succeeded=3, failed=2)}


async def test_the_records_of_a_day_are_counted_when_all_its_work_has_ended(storage_app):
    await recorded(storage_app, 3, state=TaskState.SUCCEEDED)
    await recorded(storage_app, 2, prefix="g", route="", state=TaskState.FAILED)
    # As if the process had ended before it wrote what it counted, and another had counted wrongly.
    storage_app.tally.take()
    await storage_app.statistics.add(counts(storage_app.now(), 70))
    await reconcile(later(storage_app, seconds=DAY_PATIENCE.total_seconds() + 60))
    assert await storage_app.table.days() == []
    assert await day_of(storage_app) == {"r": Counter(succeeded=3), "": Counter(failed=2)}


async def test_a_tick_is_noted_when_it_did_something_and_else_every_five_minutes(app, calls):
    report = vars(CollectReport(jobs=4, listed=9, states=Counter(succeeded=2, failed=0)))
    await after_tick(app, "collect_outputs", report, 0.25)
    tick = (await statistics(app)).ticks["collect_outputs"]
    assert (tick["did"], tick["seconds"], tick["is_complete"]) == ({"succeeded": 2}, 0.25, True)
    # As every other time of the API.
    assert tick["at"].endswith("Z")
    idle = vars(CollectReport(jobs=4, listed=9))
    calls.clear()
    await after_tick(app, "collect_outputs", idle, 0.1)
    assert calls == []
    await after_tick(later(app, minutes=6), "collect_outputs", idle, 0.1)
    assert (await statistics(app)).ticks["collect_outputs"]["did"] == {}


async def test_nodes_are_counted_by_pool_and_day(app):
    async with asyncio.timeout(30):
        while (await app.batch.pool_status(app.settings.pool.id)).nodes < 2:
            await asyncio.sleep(0.05)
    idle = vars(CollectReport())
    await after_tick(app, "collect_outputs", idle, 0.1)
    await after_tick(later(app, minutes=6), "collect_outputs", idle, 0.1)
    (days,) = (await statistics(app)).node_seconds.values()
    # Two nodes for six minutes.
    assert 700 < sum(days.values()) < 760
    # What nodes cost in a long pause is not known.
    await after_tick(later(app, hours=2), "collect_outputs", idle, 0.1)
    assert (await statistics(app)).node_seconds == {app.settings.pool.id: days}


async def test_instances_that_each_have_a_timer_count_the_nodes_once(app, caplog):
    """Each timer may have an instance of its own: https://learn.microsoft.com/azure/azure-functions/flex-consumption-plan."""
    caplog.set_level(logging.INFO, logger="batch_core")
    async with asyncio.timeout(30):
        while (await app.batch.pool_status(app.settings.pool.id)).nodes < 2:
            await asyncio.sleep(0.05)
    functions = ["collect_outputs", "sweep_files", "reconcile_tasks", "scale_pools"]
    instances = [app_on(app.clients, app.settings) for _ in functions]
    for minutes in (0, 6):
        # One after the other, then all at the same time.
        ticks = [
            after_tick(later(one, minutes=minutes), function, vars(CollectReport()), 0.1)
            for one, function in zip(instances, functions, strict=True)
        ]
        if minutes:
            await asyncio.gather(*ticks)
        else:
            for tick in ticks:
                await tick
    (days,) = (await statistics(app)).node_seconds.values()
    assert 700 < sum(days.values()) < 760
    assert len([one for one in caplog.records if one.getMessage().startswith("Nodes of pool")]) == 1


async def test_a_process_that_is_new_goes_on_from_where_another_counted(app):
    async with asyncio.timeout(30):
        while (await app.batch.pool_status(app.settings.pool.id)).nodes < 2:
            await asyncio.sleep(0.05)
    for minutes in (0, 6):
        restarted = app_on(app.clients, app.settings)
        await after_tick(later(restarted, minutes=minutes), "collect_outputs", vars(CollectReport()), 0.1)
    (days,) = (await statistics(app)).node_seconds.values()
    assert 700 < sum(days.values()) < 760


async def test_a_clock_that_was_wrong_keeps_no_node_from_being_counted(app):
    async with asyncio.timeout(30):
        while (await app.batch.pool_status(app.settings.pool.id)).nodes < 2:
            await asyncio.sleep(0.05)
    for minutes in (60 * 24 * 365, 0, 6):
        restarted = app_on(app.clients, app.settings)
        await after_tick(later(restarted, minutes=minutes), "collect_outputs", vars(CollectReport()), 0.1)
    (days,) = (await statistics(app)).node_seconds.values()
    assert 700 < sum(days.values()) < 760


async def test_the_nodes_of_many_pools_are_counted(storage_app):
    pools = {f"pool-{number}": 60.0 for number in range(23)}
    counted = await storage_app.statistics.nodes_counted()
    assert await storage_app.statistics.count_nodes(counted, pools, storage_app.now())
    assert not await storage_app.statistics.count_nodes(counted, pools, storage_app.now()), "counted already"
    found = (await statistics(storage_app)).node_seconds
    assert {pool: sum(days.values()) for pool, days in found.items()} == pools
    # Only who reads it by its name sees when that was: an earlier release would take it for a tick, or remove it.
    assert (await statistics(storage_app)).ticks == {}
    await storage_app.statistics.remove_old(storage_app.now() + KEPT * 2)
    assert (await storage_app.statistics.nodes_counted()).at is not None


async def test_a_pool_that_is_missing_hides_no_others_nodes_and_is_not_asked_for_by_every_tick(app, tmp_path, calls):
    async with asyncio.timeout(30):
        while (await app.batch.pool_status(app.settings.pool.id)).nodes < 2:
            await asyncio.sleep(0.05)
    there, gone = app.settings.pool.id, "never-made"
    routes = [
        f'[[routes]]\nname = "{pool}"\nmatch = "{pool}/**"\ncommand = "cat"\npool = "{pool}"\n'
        for pool in (gone, there)
    ]
    pools = [f"[pools.{pool}]\nexisting = true\n" for pool in (gone, there)]
    routed = with_routes(app, tmp_path / "routes.toml", "".join([*routes, *pools]))
    assert {pool.id for pool in routed.routes().pools} == {gone, there}
    idle = vars(CollectReport())
    await after_tick(routed, "collect_outputs", idle, 0.1)
    calls.clear()
    await after_tick(routed, "collect_outputs", idle, 0.1)
    assert calls == []
    await after_tick(later(routed, minutes=6), "collect_outputs", idle, 0.1)
    assert list((await statistics(app)).node_seconds) == [there]


async def test_a_pool_that_cannot_be_looked_at_is_not_asked_for_by_every_tick(app, monkeypatch):
    asked = []

    async def unavailable(_, pool_id):
        asked.append(pool_id)
        raise Unavailable("reading")

    monkeypatch.setattr(type(app.batch), "pool_status", unavailable)
    for _ in range(3):
        await after_tick(app, "collect_outputs", vars(CollectReport()), 0.1)
    assert asked == [app.settings.pool.id]


async def test_old_statistics_go(storage_app):
    now = storage_app.now()
    await storage_app.statistics.add(counts(now - KEPT - timedelta(hours=2), 1))
    await storage_app.statistics.add(counts(now, 1))
    await tidy(storage_app)
    everything = await statistics(storage_app, days=60, hours=24 * 60)
    assert [name[:8] for name in everything.minutes] == [f"{now:%Y%m%d}"]
    # Days stay: one line each.
    assert len(everything.days) == 2


DAMAGED = [
    "[1]",
    "{",
    "5",
    '{"r": 5}',
    '{"r": {"succeeded": "x"}}',
    '{"05": {"states": {}, "waits": [1]}}',
    None,
    "[" * 9999,
]


@pytest.mark.parametrize("document", DAMAGED, ids=lambda text: str(text)[:40])
async def test_what_is_damaged_is_left_out_and_begins_again(storage_app, document):
    now = storage_app.now()
    table = storage_app.table._client
    await storage_app.statistics.add(counts(now, 1))
    rows = [one["RowKey"] async for one in table.query_entities("PartitionKey eq 'statistics'")]
    for row in [*rows, "pool-x", "day-x", "hour-12"]:
        await table.upsert_entity({"PartitionKey": "statistics", "RowKey": row, "document": document}, mode="replace")
    assert (await statistics(storage_app)).days == {}
    await storage_app.statistics.add(counts(now, 2))
    found = await statistics(storage_app)
    assert (found.days, found.minutes[f"{now:%Y%m%d%H%M}"].waited) == (
        {f"{now:%Y%m%d}": {"r": Counter(succeeded=2)}},
        2,
    )


async def document(app):
    return json.loads(summary_reply(await summarize(app)).body)


async def test_a_summary_says_what_is_going_on(app, tmp_path):
    text = f'[[routes]]\nname = "long"\nmatch = "long/**"\ncommand = "{LONG}"'
    routed = with_routes(app, tmp_path / "routes.toml", text)
    await collected(routed, (await submitted(routed, "a.txt")).task_id)
    await write_counts(routed)
    run = [await submitted(routed, f"long/{number}") for number in range(3)]
    await running(routed, run[0].task_id)
    await running(routed, run[1].task_id)
    found = await document(routed)
    assert found["today"]["states"] == {"succeeded": 1}
    assert found["today"]["by_route"] == {"settings": {"succeeded": 1}}
    assert (found["open"]["queued"], found["open"]["submitted"], found["open"]["is_all"]) == (0, 3, True)
    assert found["open"]["by_route"] == {"long": {"queued": 0, "submitted": 3}}
    assert found["open"]["oldest"]["blob"] == "long/0"
    (pool,) = found["pools"]
    assert (pool["nodes"], pool["running"], pool["trouble"], len(pool["node_list"])) == (2, 2, None, 2)
    assert (len(found["minutes"]), found["minutes"][-1]["states"] or found["minutes"][-2]["states"]) == (
        60,
        {"succeeded": 1},
    )
    await cancel_all(routed, run)


async def test_a_summary_costs_the_same_however_much_there_is(app, calls):
    await recorded(app, 150, state=TaskState.SUCCEEDED)
    await recorded(app, 3, prefix="g")
    calls.clear()
    await summarize(app)
    assert len([call for call in calls if call.service == "table"]) <= 7


async def test_a_part_that_cannot_be_had_leaves_the_others(app, monkeypatch):
    async def unavailable(*_, **__):
        raise Unavailable("reading")

    monkeypatch.setattr(type(app.statistics), "read", unavailable)
    monkeypatch.setattr(type(app.batch), "pool_status", unavailable)
    found = await document(app)
    assert (found["today"], found["minutes"], found["ticks"]) == (None, None, None)
    assert found["open"]["submitted"] == 0
    assert found["pools"][0]["trouble"].startswith("it is not known: reading failed")


async def test_a_summary_says_that_routes_are_wrong(app, tmp_path):
    found = await document(with_routes(app, tmp_path / "routes.toml", "[[routes]]"))
    assert found["routes_problem"].startswith("routes.toml, route 1 has no")
    assert found["pools"] == []


async def test_what_is_cancelled_by_hand_is_counted_by_the_process_that_did_it(app, monkeypatch):
    monkeypatch.setattr(bookkeeping, "_SAMPLE", timedelta(0))
    record = await submitted(with_command(app, LONG))
    await app.batch.terminate_job(record.job_id)
    await app.batch.delete_job(record.job_id)
    async with asyncio.timeout(30):
        while (await cancel(app, record.task_id)).state is not TaskState.CANCELLED:
            await asyncio.sleep(0.05)
    await collect(app)
    assert await day_of(app) == {"settings": Counter(cancelled=1)}
