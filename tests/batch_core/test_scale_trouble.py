"""Scaling when something is in the way: other jobs, other settings, quotas, broken nodes, instances that stop."""

import asyncio

import pytest
from azure.batch.models import (
    BatchJobCreateOptions,
    BatchJobDisableOptions,
    BatchPoolInfo,
    BatchPoolResizeOptions,
    DisableBatchJobOption,
)

from batch_core.collect import collect
from batch_core.demand import needed_nodes
from batch_core.reconcile import reconcile
from batch_core.scale import scale
from batch_core.services.batch_values import Demand
from batch_core.waiting import why_waiting
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
from tests.batch_core.steps import cancel_all, closed, later
from tests.batch_emulator.control_client import control


async def idle_nodes(app, tmp_path, count=2):
    """Run files on so many nodes and collect them; nobody needs the nodes any more."""
    records = await put(app, 2 * count)
    await scale(app)
    assert await steady(app) == count
    await running(app, records)
    await released(app, tmp_path, records)
    await collect(app)


def with_pool(app, old, new):
    """Change what the routes say of the pool."""
    file = app.settings.routes.file
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


async def open_nodes(app):
    return sum(node.is_open for node in await app.nodes.nodes(pool_id_of(app)))


async def failed_growth(app, endpoint, cores):
    """Let the pool ask for nodes that the quota does not allow."""
    await control(endpoint, "PUT", "/quotas", {"dedicatedCores": cores})
    await scale(app)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (pool := await pool_of(app)).allocation_state != "steady" or not pool.resize_errors:
            await asyncio.sleep(0.05)


@pytest.fixture
async def quotas(scaled, batch_endpoint):
    """The endpoint, of whose quotas the test may change any."""
    yield batch_endpoint
    await control(batch_endpoint, "PUT", "/quotas", {})


async def test_nodes_that_were_to_go_are_opened_again_when_somebody_else_comes(scaled, tmp_path):
    await idle_nodes(scaled, tmp_path)
    assert (await scale(scaled)).closed == 2
    info = BatchPoolInfo(pool_id=pool_id_of(scaled))
    stranger = BatchJobCreateOptions(id=f"stranger-{pool_id_of(scaled)}", pool_info=info)
    await scaled.clients.batch.create_job(stranger)
    assert (await scale(scaled)).opened == 2
    assert await open_nodes(scaled) == 2


@pytest.mark.parametrize("new", ["nodes = 2", 'formula = "$TargetDedicatedNodes = 2;"', "existing = true"])
async def test_nodes_that_were_to_go_are_opened_again_when_the_pool_is_not_scaled_any_more(scaled, tmp_path, new):
    await idle_nodes(scaled, tmp_path)
    assert (await scale(scaled)).closed == 2
    pool_id = pool_id_of(scaled)
    with_pool(scaled, "slots_per_node = 2", "")
    with_pool(scaled, "scale = { max = 3 }", new)
    assert (await scale(scaled)).opened == 2
    assert all(node.is_open for node in await scaled.nodes.nodes(pool_id))


async def test_nodes_that_were_to_go_are_opened_again_while_the_routes_are_wrong(scaled, tmp_path):
    await idle_nodes(scaled, tmp_path)
    assert (await scale(scaled)).closed == 2
    pool_id = pool_id_of(scaled)
    with_pool(scaled, "[[routes]]", "[[router]]")
    assert (await scale(scaled)).opened == 2
    assert all(node.is_open for node in await scaled.nodes.nodes(pool_id))


async def test_an_instance_that_is_slow_to_close_nodes_leaves_none_closed_that_another_has_opened(
    scaled, tmp_path, monkeypatch
):
    await idle_nodes(scaled, tmp_path)
    close, others = type(scaled.nodes).close, []

    async def slow(self, pool_id, node_id):
        if not others:
            others.append(None)
            # Another instance finds work, and that the claim of this one is over.
            others[0] = await put(scaled, 4, "more")
            await scale(later(scaled, minutes=6))
            assert [state.closing for state in (await scaled.scaling.all()).values()] == [()]
        await close(self, pool_id, node_id)

    with monkeypatch.context() as patch:
        patch.setattr(type(scaled.nodes), "close", slow)
        await scale(scaled)
    assert await open_nodes(scaled) == 2
    await running(scaled, others[0])
    await released(scaled, tmp_path, others[0])


async def test_the_claim_of_an_instance_that_has_ended_keeps_no_pool_from_growing(scaled, tmp_path):
    await idle_nodes(scaled, tmp_path, count=1)
    await scale(scaled)
    (state,) = (await scaled.scaling.all()).values()
    (node,) = await scaled.nodes.nodes(pool_id_of(scaled))
    assert state.closing == (node.id,)
    await scaled.scaling.save(type(state)(**{**vars(state), "claimed_at": scaled.now()}))
    records = await put(scaled, 2, "more")
    assert (await scale(scaled)).asked_for == 1
    await running(scaled, records)
    await released(scaled, tmp_path, records)
    await collect(scaled)
    await until_gone(scaled)


async def test_a_pool_of_which_nothing_is_remembered_goes_down_at_once(scaled, tmp_path):
    """The table was made again, say: the note of the nodes is the first of this pool."""
    await idle_nodes(scaled, tmp_path)
    await scaled.scaling._client.delete_entity("scaling", pool_id_of(scaled).lower())
    assert (await scale(scaled)).closed == 2
    assert (await scale(scaled)).removed == 2


async def forgotten(app, how):
    """Let the table lose what it says of the pool, or say what nobody can read."""
    row_key = pool_id_of(app).lower()
    if how == "lost":
        await app.scaling._client.delete_entity("scaling", row_key)
    else:
        await app.scaling._client.update_entity({"PartitionKey": "scaling", "RowKey": row_key, "closing": "["})


@pytest.mark.parametrize("how", ["lost", "unreadable"])
async def test_nodes_that_were_closed_before_their_note_was_lost_go_all_the_same(scaled, tmp_path, how):
    await idle_nodes(scaled, tmp_path)
    assert (await scale(scaled)).closed == 2
    await forgotten(scaled, how)
    assert (await scale(scaled)).removed == 2
    assert await steady(scaled) == 0


async def test_nodes_whose_note_was_lost_are_opened_again_when_there_is_work(scaled, tmp_path):
    await idle_nodes(scaled, tmp_path)
    assert (await scale(scaled)).closed == 2
    await forgotten(scaled, "lost")
    records = await put(scaled, 4, "more")
    assert (await scale(scaled)).opened == 2
    await running(scaled, records)
    await released(scaled, tmp_path, records)
    await collect(scaled)


async def test_nodes_that_could_not_be_had_are_not_asked_for_when_nobody_needs_them_any_more(scaled, quotas, tmp_path):
    records = await put(scaled, 4)
    await failed_growth(scaled, quotas, 0)
    await cancel_all(scaled, records)
    await scale(scaled)
    assert await steady(scaled) == 0
    pool = await pool_of(scaled)
    assert (pool.target_dedicated_nodes, pool.resize_errors) == (0, None)
    await control(quotas, "PUT", "/quotas", {})
    (record,) = await put(scaled, 1, "more")
    await scale(scaled)
    assert await steady(scaled) == 1
    await released(scaled, tmp_path, [record])


async def test_a_pool_that_got_some_of_its_nodes_goes_down_to_none(scaled, quotas, tmp_path):
    await idle_nodes(scaled, tmp_path, count=1)
    records = await put(scaled, 6, "more")
    await failed_growth(scaled, quotas, 2)
    await running(scaled, records[:2])
    await cancel_all(scaled, records)
    await collect(scaled)
    await until_gone(scaled)
    assert (await pool_of(scaled)).target_dedicated_nodes == 0


async def test_tasks_of_a_job_that_has_ended_need_no_nodes(scaled, tmp_path):
    records = await put(scaled, 4)
    await closed(scaled, records[0].job_id)
    await reconcile(later(scaled, minutes=5))
    await cancel_all(scaled, records)
    await scale(scaled)
    assert await steady(scaled) == 0


async def test_tasks_of_a_disabled_job_need_no_nodes(scaled):
    records = await put(scaled, 4)
    options = BatchJobDisableOptions(disable_tasks=DisableBatchJobOption.WAIT)
    await (await scaled.clients.batch.begin_disable_job(records[0].job_id, options, polling_interval=0.05)).result()
    await scale(scaled)
    assert await steady(scaled) == 0
    await cancel_all(scaled, records)


async def test_an_unusable_node_is_replaced(scaled, tmp_path):
    with_pool(scaled, "max = 3", "max = 1")
    (record,) = await put(scaled, 1)
    await scale(scaled)
    await steady(scaled)
    (broken,) = await running(scaled, [record])
    path = f"/pools/{pool_id_of(scaled)}/nodes/{broken}/makeunusable"
    await control(scaled.settings.batch.endpoint, "POST", path, {})
    async with asyncio.timeout(PATIENCE_SECONDS):
        while broken in {node.id for node in await scaled.nodes.nodes(pool_id_of(scaled))}:
            await scale(scaled)
            await asyncio.sleep(0.05)
        while not (pool := await pool_of(scaled)).current_dedicated_nodes:
            await scale(scaled)
            await asyncio.sleep(0.05)
    assert pool.target_dedicated_nodes == 1
    await running(scaled, [record])
    await released(scaled, tmp_path, [record])


async def test_the_ceiling_holds_for_both_kinds_of_nodes_together(scaled, tmp_path):
    records = await put(scaled, 4)
    await scale(scaled)
    await steady(scaled)
    await running(scaled, records)
    with_pool(scaled, "max = 3", "max = 3, spot = 1.0")
    records += await put(scaled, 4, "more")
    await scale(scaled)
    pool = await pool_of(scaled)
    assert (pool.target_dedicated_nodes, pool.target_low_priority_nodes) == (2, 1)
    await released(scaled, tmp_path, records)


@pytest.mark.parametrize(
    ("tasks", "slots", "nodes"),
    [(0, 0, 0), (4, 4, 1), (5, 5, 2), (4, 12, 4), (4, 8, 2), (3, 6, 2), (1, 5, 0)],
)
async def test_tasks_are_not_divided_among_nodes(app, monkeypatch, tasks, slots, nodes):
    async def demand(self, job_id):
        return Demand(tasks=tasks, slots=slots)

    monkeypatch.setattr(type(app.nodes), "demand", demand)
    assert await needed_nodes(app, ["job"], slots_per_node=4) == nodes


async def test_what_takes_more_slots_than_a_node_has_is_no_reason_to_grow_and_the_reason_is_true(scaled):
    # What the routes say of an existing pool is not known before.
    with_pool(scaled, "slots_per_node = 2", "existing = true")
    with_pool(scaled, 'name = "all"', 'name = "all"\nslots = 3')
    pool = await pool_of(scaled)
    records = await put(scaled, 2)
    await scale(scaled)
    assert await steady(scaled) == 0
    await scaled.clients.batch.begin_resize_pool(pool.id, BatchPoolResizeOptions(target_dedicated_nodes=1))
    assert await steady(scaled) == 1
    async with asyncio.timeout(PATIENCE_SECONDS):
        while "idle" not in (reason := await why_waiting(scaled, records[0].job_id)):
            await asyncio.sleep(0.05)
    assert reason.endswith("its nodes are idle: it is about to start, or takes more slots than a node has (2)")
    await cancel_all(scaled, records)
