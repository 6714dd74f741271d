"""Pools that the app scales: up at once, down to zero, and never with a result on a node that goes."""

import asyncio
from dataclasses import replace

import pytest
from azure.batch.models import BatchJobCreateOptions, BatchPoolInfo

from batch_core import backoff
from batch_core.app import app_on
from batch_core.cli import provision
from batch_core.collect import collect
from batch_core.errors import Unavailable
from batch_core.http.health import check_health
from batch_core.scale import scale
from batch_core.state.record import TaskState
from batch_core.waiting import why_waiting
from tests.batch_core.cuts import Cut, End, cut_short, cuttable_calls
from tests.batch_core.scaled_pool import (
    PATIENCE_SECONDS,
    pool_id_of,
    pool_of,
    put,
    released,
    running,
    steady,
    until_gone,
)
from tests.batch_core.steps import later, record_of
from tests.batch_emulator.control_client import control


async def test_a_pool_gets_the_nodes_that_a_burst_needs_and_goes_down_to_zero_when_all_is_collected(
    scaled, tmp_path, calls
):
    records = await put(scaled, 4)
    report = await scale(scaled)
    assert (report.asked_for, report.is_complete) == (2, True)
    assert await steady(scaled) == 2
    await running(scaled, records)
    await scale(scaled)
    assert (await pool_of(scaled)).target_dedicated_nodes == 2
    await released(scaled, tmp_path, records)
    await collect(scaled)
    assert (await scale(scaled)).closed == 2
    assert (await scale(scaled)).removed == 2
    assert await steady(scaled) == 0
    assert {(await record_of(scaled, record.task_id)).state for record in records} == {TaskState.SUCCEEDED}
    # One resize up, one removal: no flapping.
    changes = [call.path.rpartition("/")[2] for call in calls if call.method == "POST" and "/pools/" in call.path]
    assert (changes.count("resize"), changes.count("removenodes")) == (1, 1)


async def test_an_existing_pool_is_scaled_by_settings_alone_and_not_made_by_setup(app):
    assert (await scale(app)).pools == 0
    pool = replace(app.settings.pool, is_existing=True, min_nodes=3, max_nodes=3, spot_percent=100)
    routed = replace(app, settings=replace(app.settings, pool=pool))
    await status_when_steady(routed)
    assert (await scale(routed)).asked_for == 1
    # The two dedicated nodes stay: results may be on them.
    status = await status_when_steady(routed)
    assert (status.target, status.spot_target) == (3, 1)
    assert all("pool" not in one.description for one in provision.resources(routed))


async def status_when_steady(app):
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (status := await app.batch.pool_status(app.settings.pool.id)).is_steady:
            await asyncio.sleep(0.05)
    return status


async def test_no_node_goes_while_a_result_is_on_it(scaled, tmp_path):
    records = await put(scaled, 4)
    await scale(scaled)
    await steady(scaled)
    nodes = await running(scaled, records)
    await released(scaled, tmp_path, records)
    for _ in range(3):
        await scale(scaled)
    assert {node.id for node in await scaled.nodes.nodes(pool_id_of(scaled))} == set(nodes)
    await collect(scaled)
    assert ((await scale(scaled)).closed, (await scale(scaled)).removed) == (2, 2)
    assert await steady(scaled) == 0


async def test_a_node_whose_task_came_back_is_opened_again(scaled, tmp_path):
    records = await put(scaled, 2)
    await scale(scaled)
    await steady(scaled)
    await running(scaled, records)
    await released(scaled, tmp_path, records)
    await collect(scaled)
    assert (await scale(scaled)).closed == 1
    more = await put(scaled, 1, "more")
    report = await scale(scaled)
    assert (report.opened, report.removed, report.asked_for) == (1, 0, 0)
    assert len(await running(scaled, more)) == 1
    await released(scaled, tmp_path, more)


async def test_instances_at_the_same_time_ask_for_nodes_once(scaled, tmp_path, calls):
    records = await put(scaled, 2)
    calls.clear()
    await asyncio.gather(*(scale(scaled) for _ in range(3)))
    assert await steady(scaled) == 1
    await running(scaled, records)
    await released(scaled, tmp_path, records)
    await collect(scaled)
    calls.clear()
    await asyncio.gather(*(scale(scaled) for _ in range(3)))
    assert len([call for call in calls if call.path.endswith("disablescheduling")]) == 1
    reports = await asyncio.gather(*(scale(scaled) for _ in range(3)))
    assert sum(report.opened for report in reports) == 0
    assert await steady(scaled) == 0


async def test_more_work_than_the_ceiling_allows_is_told_why_it_waits(scaled, tmp_path):
    records = await put(scaled, 8)
    await scale(scaled)
    assert await steady(scaled) == 3
    await scale(scaled)
    assert (await pool_of(scaled)).target_dedicated_nodes == 3
    async with asyncio.timeout(PATIENCE_SECONDS):
        while "its ceiling" not in (reason := await why_waiting(scaled, records[0].job_id)):
            await asyncio.sleep(0.05)
    assert reason.endswith("every task slot is taken, and it has 3 nodes, which is its ceiling")
    await released(scaled, tmp_path, records)


async def test_a_pool_with_a_job_of_somebody_else_is_left_alone(scaled, caplog):
    await put(scaled, 1)
    stranger = f"stranger-{pool_id_of(scaled)}"
    info = BatchPoolInfo(pool_id=pool_id_of(scaled))
    await scaled.clients.batch.create_job(BatchJobCreateOptions(id=stranger, pool_info=info))
    await scale(scaled)
    assert (await pool_of(scaled)).target_dedicated_nodes == 0
    assert f"job {stranger} on it is not of this app" in caplog.text


async def test_a_job_of_its_own_that_a_new_table_does_not_list_keeps_no_pool_from_being_scaled(scaled):
    (record,) = await put(scaled, 1)
    await scaled.registry.remove(record.job_id)
    await scale(scaled)
    assert await steady(scaled) == 1
    assert [job.job_id for job in await scaled.registry.jobs()] == [record.job_id]


async def test_what_is_not_known_removes_nothing(scaled, tmp_path, monkeypatch):
    records = await put(scaled, 2)
    await scale(scaled)
    await steady(scaled)
    await running(scaled, records)
    await released(scaled, tmp_path, records)

    async def unavailable(*_):
        raise Unavailable("listing tasks")

    with monkeypatch.context() as patch:
        patch.setattr(type(scaled.batch), "live_tasks", unavailable)
        report = await scale(scaled)
    assert (report.closed, report.removed, report.is_complete) == (0, 0, False)
    assert await steady(scaled) == 1


async def test_a_pool_that_cannot_get_its_nodes_is_asked_again_after_a_pause(
    scaled, batch_endpoint, tmp_path, monkeypatch, calls
):
    await control(batch_endpoint, "PUT", "/quotas", {"dedicatedCores": 0})
    try:
        records = await put(scaled, 2)
        await scale(scaled)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (pool := await pool_of(scaled)).allocation_state != "steady" or not pool.resize_errors:
                await asyncio.sleep(0.05)
        reason = await why_waiting(scaled, records[0].job_id)
        assert "it cannot get its nodes (AccountCoreQuotaReached" in reason
        calls.clear()
        for _ in range(3):
            await scale(scaled)
        assert len([call for call in calls if call.path.endswith("resize")]) <= 1
    finally:
        await control(batch_endpoint, "PUT", "/quotas", {})
    await scale(later(scaled, seconds=backoff.LONGEST.total_seconds() + 60))
    assert await steady(scaled) == 1
    await running(scaled, records)
    await released(scaled, tmp_path, records)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_wherever_a_tick_stops_no_node_stays_closed_and_no_result_is_lost(scaled, tmp_path):
    async def two_ticks(app):
        await scale(app)
        await scale(app)

    with cuttable_calls():
        whole, at = Cut(at=0, is_after=False, end=End.CRASH), 0
        while at <= whole.made:
            at += 1
            (record,) = await put(scaled, 1, f"{at}-")
            await scale(scaled)
            assert await steady(scaled) == 1, at
            await running(scaled, [record])
            await released(scaled, tmp_path, [record])
            await collect(scaled)
            whole = whole if whole.made else Cut(at=0, is_after=False, end=End.CRASH)
            cut = whole if at == 1 else Cut(at=at - 1, is_after=False, end=End.CRASH)
            await cut_short(two_ticks(again_from_nothing(scaled)), cut)
            await until_gone(scaled)
            assert (await record_of(scaled, record.task_id)).state is TaskState.SUCCEEDED
    assert whole.made > 10


def again_from_nothing(app):
    """Return the app as a process that has just begun and remembers nothing."""
    return app_on(app.clients, app.settings)


async def test_a_pool_without_nodes_is_well_when_the_app_scales_it(scaled):
    checks = {check.name: check for check in await check_health(scaled)}
    assert checks[f"pool {pool_id_of(scaled)}"].is_ok


async def test_without_scaled_pools_a_tick_costs_nothing(app, calls):
    await scale(app)
    calls.clear()
    await scale(app)
    assert calls == []
