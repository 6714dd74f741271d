"""A record that waits for long says why, in the words of its pool or job."""

import asyncio
from contextlib import asynccontextmanager

from azure.batch.models import BatchJobDisableOptions, BatchStartTask, DisableBatchJobOption

from batch_core.app import App, open_app
from batch_core.cli import provision
from batch_core.config.pools import settings_pool
from batch_core.config.settings import Settings
from batch_core.http.replies import record_reply
from batch_core.reconcile import reconcile
from batch_core.services.batch_values import LiveTask
from batch_core.services.provisioning import pool_options
from batch_core.state.record import TaskState
from batch_core.waiting import why_waiting
from tests.batch_core.steps import collected, later, record_of, running, submitted, with_command, with_routes
from tests.batch_emulator.control_client import control, faults

LONG = "/bin/sleep 600"


@asynccontextmanager
async def app_with(environment, batch_endpoint, **settings):
    """An app of these settings, with containers and table but as yet without a pool."""
    app = open_app(Settings.from_env(environment | {"BATCH_ENDPOINT": batch_endpoint} | settings))
    try:
        for resource in provision.resources(app)[:-1]:
            await provision.make(resource)
        yield app
    finally:
        await app.clients.close()


async def reason_of(app: App, task_id: str) -> str | None:
    """Return what the record says after a tick in twenty minutes."""
    await reconcile(later(app, minutes=20))
    return (await record_of(app, task_id)).reason


async def why(app: App, words: str) -> str:
    """Wait until the reason holds these words: nodes take a moment to come and to break."""
    async with asyncio.timeout(30):
        while words not in (reason := await why_waiting(app, "no-job")):
            await asyncio.sleep(0.05)
    return reason


async def test_there_is_no_pool(environment, batch_endpoint):
    async with app_with(environment, batch_endpoint) as app:
        record = await submitted(app)
        assert record.state is TaskState.SUBMITTED
        reason = await reason_of(app, record.task_id)
    assert reason == (f"it waits for a pool; there is no pool '{app.settings.pool.id}': `batchdrop setup` makes it")


async def test_there_is_no_pool_that_somebody_else_makes(app, tmp_path):
    text = '[[routes]]\nname = "a"\nmatch = "**"\ncommand = "true"\npool = "theirs"\n[pools.theirs]\nexisting = true'
    routed = with_routes(app, tmp_path / "routes.toml", text)
    reason = await reason_of(routed, (await submitted(routed)).task_id)
    assert reason == "it waits for a pool; there is no pool 'theirs': it is to exist already"


async def test_the_pool_has_no_nodes(environment, batch_endpoint):
    async with app_with(environment, batch_endpoint, POOL_NODE_COUNT="0") as app:
        await provision.make(provision.resources(app)[-1])
        record = await submitted(app)
        await why(app, "no nodes")
        assert (await reason_of(app, record.task_id)).endswith("it has no nodes, and is not getting any")


async def test_the_pool_cannot_get_its_nodes(environment, batch_endpoint):
    async with app_with(environment, batch_endpoint) as app:
        await control(batch_endpoint, "PUT", "/quotas", {"dedicatedCores": 0})
        try:
            await provision.make(provision.resources(app)[-1])
            record = await submitted(app)
            await why(app, "AccountCoreQuotaReached")
        finally:
            await control(batch_endpoint, "PUT", "/quotas", {})
        assert "it cannot get its nodes (AccountCoreQuotaReached: " in await reason_of(app, record.task_id)


async def test_the_start_task_failed_on_every_node(environment, batch_endpoint):
    async with app_with(environment, batch_endpoint) as app:
        pool = pool_options(settings_pool(app.settings.pool))
        pool.start_task = BatchStartTask(command_line="/bin/false", wait_for_success=True)
        await app.clients.batch.create_pool(pool)
        record = await submitted(app)
        await why(app, "start task failed")
        assert (await reason_of(app, record.task_id)).endswith("its start task failed on every node")


async def test_the_nodes_are_unusable(app, batch_endpoint):
    await why(app, "its nodes are idle")
    pool = app.settings.pool.id
    for node in [node.id async for node in app.clients.batch.list_nodes(pool)]:
        reply = await control(batch_endpoint, "POST", f"/pools/{pool}/nodes/{node}/makeunusable", {})
        assert reply.status == 204, reply.body
    record = await submitted(app)
    await why(app, "unusable")
    assert (await reason_of(app, record.task_id)).endswith("its nodes are unusable")


async def test_every_slot_is_taken_or_it_is_running(app):
    records = [await submitted(with_command(app, LONG), f"{number}.txt") for number in range(3)]
    await running(app, records[0].task_id)
    await running(app, records[1].task_id)
    reasons = [await reason_of(app, record.task_id) for record in records]
    assert reasons[:2] == ["it is running"] * 2
    assert reasons[2] == f"it waits for a node of pool '{app.settings.pool.id}': every task slot is taken"


async def test_the_job_is_disabled(app):
    first = await submitted(with_command(app, "/bin/true"), "first.txt")
    options = BatchJobDisableOptions(disable_tasks=DisableBatchJobOption.REQUEUE)
    await (await app.clients.batch.begin_disable_job(first.job_id, options, polling_interval=0.05)).result()
    record = await submitted(app, "a.txt")
    assert (record.state, record.job_id) == (TaskState.SUBMITTED, first.job_id)
    assert await reason_of(app, record.task_id) == f"it waits because its job is disabled: enable {first.job_id}"


async def test_the_service_does_not_say(app, batch_endpoint, pauses):
    async with faults(batch_endpoint, {"operation": "get_pool", "answer": {"status": 503}}):
        reason = await why_waiting(app, "no-job")
    assert reason.startswith("it waits for a node; why is not known: looking at pool")


async def test_who_has_not_waited_for_long_gets_no_reason(app):
    record = await submitted(with_command(app, LONG))
    await reconcile(later(app, minutes=5))
    assert (await record_of(app, record.task_id)).reason is None


async def test_the_reason_is_shown_and_is_written_once(environment, batch_endpoint, calls):
    async with app_with(environment, batch_endpoint) as app:
        record = await submitted(app)
        await reconcile(later(app, minutes=20))
        before = await app.table.get(record.task_id)
        assert record_reply(before.record).document["reason"].startswith("it waits for a pool")
        calls.clear()
        assert (await reconcile(later(app, minutes=25))).done["waiting"] == 1
        assert {call.method for call in calls} == {"GET"}
        assert await app.table.get(record.task_id) == before


async def test_the_reason_goes_when_the_task_has_run(environment, batch_endpoint):
    async with app_with(environment, batch_endpoint) as app:
        record = await submitted(app)
        assert await reason_of(app, record.task_id)
        await provision.make(provision.resources(app)[-1])
        record = await collected(app, record.task_id)
    assert (record.state, record.reason) == (TaskState.SUCCEEDED, None)


async def test_a_task_that_has_its_node_is_not_said_to_wait_for_one(app, monkeypatch):
    record = await submitted(with_command(app, LONG))

    async def live_tasks(job_id):
        return {record.task_id: LiveTask(state="preparing")}

    monkeypatch.setattr(app.batch, "live_tasks", live_tasks)
    assert await reason_of(app, record.task_id) == "it has a node, which is getting its input"
