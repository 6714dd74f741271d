"""Metrics: what is measured, and that nothing is where OpenTelemetry is not at work."""

import asyncio
import logging
import re
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from batch_core import metrics, waiting
from batch_core.bookkeeping import after_tick
from batch_core.cancel import cancel
from batch_core.collect import collect
from batch_core.errors import Unavailable
from batch_core.reconcile import reconcile
from batch_core.services.batch_values import LiveTask
from batch_core.state.changes import Change
from tests.batch_core.steps import completed, dropped, later, recorded_only, running, submitted, with_command
from tests.batch_emulator.control_client import faults


@pytest.fixture
def measured(monkeypatch):
    """Return what gives, by name, the points that were measured: their attributes and values."""
    reader = InMemoryMetricReader()
    provider = MeterProvider(metric_readers=[reader])
    # As the worker leaves it: imported, and with a provider.
    monkeypatch.setitem(sys.modules, metrics._API, SimpleNamespace(get_meter=provider.get_meter))

    def points(name):
        data = reader.get_metrics_data()
        found = [one for scope in data.resource_metrics[0].scope_metrics for one in scope.metrics if one.name == name]
        return [
            (dict(point.attributes), getattr(point, "value", None) or getattr(point, "sum", 0))
            for one in found
            for point in one.data.data_points
        ]

    yield points
    provider.shutdown()


async def test_what_ends_is_counted_by_state_and_route(app, measured):
    bad = with_command(app, "/bin/false")
    for one, name in ((app, "a"), (bad, "b"), (bad, "c")):
        record = await submitted(one, name)
        await completed(app, [record.task_id])
    await collect(app)
    ended = {(found["state"], found["route"]): number for found, number in measured("batchdrop.tasks.ended")}
    assert ended == {("succeeded", "settings"): 1, ("failed", "settings"): 2}


async def test_the_file_that_waits_for_longest_is_measured_and_one_that_runs_does_not_wait(app, measured):
    busy = with_command(app, "/bin/sleep 600")
    runs = [await submitted(busy, f"runs-{number}") for number in range(2)]
    for record in runs:
        await running(app, record.task_id)
    await reconcile(later(app, minutes=10))
    assert measured("batchdrop.tasks.oldest_waiting") == [({}, 0)]
    await submitted(busy, "waits")
    report = await reconcile(later(app, minutes=10))
    ((_, waited),) = measured("batchdrop.tasks.oldest_waiting")
    assert waited == report.oldest_waiting_seconds
    assert 600 <= waited < 660
    assert measured("batchdrop.tasks.open") == [({}, 3)]


async def waited(app, measured, **difference):
    """Reconcile at a later time; return how long the oldest file has waited, which the metric says as well."""
    report = await reconcile(later(app, **difference))
    if report.is_complete:
        assert measured("batchdrop.tasks.oldest_waiting") == [({}, report.oldest_waiting_seconds)]
    return report.oldest_waiting_seconds


async def test_a_task_that_has_completed_and_is_not_collected_yet_does_not_wait(app, measured):
    record = await submitted(app)
    await completed(app, [record.task_id])
    # It is verified by one tick, and known to the next.
    assert [await waited(app, measured, hours=3) for _ in range(2)] == [0, 0]


async def test_a_task_whose_job_cannot_be_listed_may_run(app, measured):
    record = await submitted(with_command(app, "/bin/sleep 600"))
    await running(app, record.task_id)
    await reconcile(later(app, minutes=5))
    rule = {"operation": "list_tasks", "answer": {"status": 503, "code": "ServerBusy", "message": "It is busy."}}
    async with faults(app.settings.batch.endpoint, rule):
        report = await reconcile(later(app, hours=3))
    assert (report.oldest_waiting_seconds, report.is_complete) == (0, False)
    await cancel(app, record.task_id)


@pytest.mark.parametrize("was_asked", [False, True])
async def test_what_was_never_handed_over_waits_since_it_was_recorded(app, measured, was_asked):
    stored = await recorded_only(app, await dropped(app, "a.txt"))
    if was_asked:
        postponed = replace(stored.record, submit_tries=1, next_attempt_at=app.now() + timedelta(days=1))
        await app.table.update([Change(stored, postponed)])
    assert 10_800 <= await waited(app, measured, hours=3) < 10_860
    if was_asked:
        await cancel(app, stored.record.task_id)
        assert await waited(app, measured, hours=3) == 0, "nobody waits for it"


async def test_a_task_that_was_put_back_after_hours_waits_since_then_and_batch_is_asked_once(
    app, measured, monkeypatch
):
    record = await submitted(with_command(app, "/bin/sleep 600"))
    then, asked = later(app, hours=3).now(), []
    states = {record.task_id: LiveTask(state="active", requeues=1)}

    async def live_tasks(job_id):
        return states

    async def since(job_id, task_id):
        asked.append(task_id)
        return then - timedelta(minutes=10)

    monkeypatch.setattr(app.batch, "live_tasks", live_tasks)
    monkeypatch.setattr(app.batch, "completion_of", since)
    for _ in range(2):
        assert 600 <= await waited(app, measured, hours=3) < 660
    assert asked == [record.task_id]
    # It runs once more, and is put back once more: Batch need not count that.
    for state in ("running", "active"):
        states[record.task_id] = LiveTask(state=state, requeues=1)
        await waited(app, measured, hours=3)
    assert asked == [record.task_id] * 2


async def test_of_many_that_were_put_back_batch_is_asked_about_a_few_in_a_tick(app, monkeypatch):
    monkeypatch.setattr(waiting, "_MOST_ASKED", 2)
    records = [await submitted(app, f"{number}.txt") for number in range(5)]
    then, asked = later(app, hours=3).now(), []

    async def live_tasks(job_id):
        return {record.task_id: LiveTask(state="active", requeues=1) for record in records}

    async def since(job_id, task_id):
        asked.append(task_id)
        if len(asked) == 1:
            raise Unavailable("looking")
        return then - timedelta(minutes=len(asked))

    monkeypatch.setattr(app.batch, "live_tasks", live_tasks)
    monkeypatch.setattr(app.batch, "completion_of", since)
    found = [(await reconcile(later(app, hours=3))).oldest_waiting_seconds // 60 for _ in range(4)]
    assert (found, len(asked)) == ([2, 4, 6, 6], 6)


async def test_ticks_and_the_time_of_nodes_are_measured(app, measured):
    async with asyncio.timeout(30):
        while (await app.batch.pool_status(app.settings.pool.id)).nodes < 2:
            await asyncio.sleep(0.05)
    await after_tick(app, "collect_outputs", vars(await collect(app)), 0.25)
    await after_tick(later(app, minutes=6), "collect_outputs", vars(await collect(app)), 0.5)
    assert measured("batchdrop.tick.duration") == [({"function": "collect_outputs"}, 0.75)]
    ((attributes, seconds),) = measured("batchdrop.nodes.time")
    assert attributes == {"pool": app.settings.pool.id}
    assert 2 * 360 <= seconds < 2 * 365


def test_the_app_imports_nothing_of_opentelemetry_by_itself():
    code = "import sys, function_app; print([name for name in sys.modules if name.startswith('opentelemetry')])"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


def test_without_it_a_measurement_is_nothing(monkeypatch):
    monkeypatch.delitem(sys.modules, metrics._API, raising=False)
    metrics.count("tasks.ended", 1, "{task}")
    metrics.measure("tasks.open", 1, "{task}")
    metrics.record("tick.duration", 1.0, "s")


async def test_the_log_says_which_tasks_batch_has_and_what_nodes_took(app, caplog):
    caplog.set_level(logging.INFO, logger="batch_core")
    record = await submitted(app)
    async with asyncio.timeout(30):
        while (await app.batch.pool_status(app.settings.pool.id)).nodes < 2:
            await asyncio.sleep(0.05)
    idle = vars(await collect(app))
    await after_tick(app, "collect_outputs", idle, 0.25)
    await after_tick(later(app, minutes=6), "collect_outputs", idle, 0.5)
    said = [one.getMessage() for one in caplog.records]
    assert f"Batch has 1 tasks: {record.task_id}" in said
    assert any(re.fullmatch(rf"Nodes of pool {app.settings.pool.id}: nodes=2 seconds=7[23]\d", one) for one in said)
