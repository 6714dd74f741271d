"""What a GET says of a task that Batch has: read at that moment, written nowhere."""

import asyncio
import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from batch_core import live
from batch_core.app import open_app
from batch_core.cancel import cancel
from batch_core.cli import provision
from batch_core.config.settings import Settings
from batch_core.http.replies import record_reply
from batch_core.live import live_task
from tests.batch_core.steps import (
    collected,
    completed,
    deleted,
    dropped,
    record_of,
    recorded_only,
    running,
    submitted,
    with_command,
)
from tests.batch_core.test_waiting import LONG, app_with
from tests.batch_emulator.control_client import faults


async def reply(app, task_id):
    """The document that a GET answers with."""
    record = await record_of(app, task_id)
    return json.loads(record_reply(record, live=await live_task(app, record)).body)


async def test_a_running_task_shows_its_node_and_when_it_began_for_one_call(app, calls):
    task_id = (await submitted(with_command(app, LONG))).task_id
    await running(app, task_id)
    before = await record_of(app, task_id)
    calls.clear()
    document = await reply(app, task_id)
    assert [(call.service, call.method) for call in calls] == [("table", "GET"), ("batch", "GET")]
    assert (document["state"], document["reason"]) == ("submitted", "it is running")
    assert document["live"]["state"] == "running"
    assert document["live"]["node_id"].startswith("tvmps_")
    assert timedelta(0) <= app.now() - datetime.fromisoformat(document["live"]["started_at"]) < timedelta(minutes=1)
    # Nothing of it is on the record.
    assert await record_of(app, task_id) == before
    assert (before.node_id, before.reason) == (None, None)
    await cancel(app, task_id)
    assert (await reply(app, task_id))["reason"] == "being cancelled on request"


async def test_a_task_on_a_missing_pool_says_that_at_once(environment, batch_endpoint):
    async with app_with(environment, batch_endpoint) as app:
        task_id = (await submitted(app)).task_id
        document = await reply(app, task_id)
    assert document["live"]["state"] == "active"
    assert document["reason"].startswith(f"it waits for a pool; there is no pool {app.settings.pool.id!r}: `batch")


async def test_a_task_on_a_pool_without_nodes_says_why_it_waits(environment, batch_endpoint):
    async with app_with(environment, batch_endpoint, POOL_NODE_COUNT="0") as app:
        await provision.make(provision.resources(app)[-1])
        task_id = (await submitted(app)).task_id
        async with asyncio.timeout(30):
            while "no nodes" not in (document := await reply(app, task_id))["reason"]:
                await asyncio.sleep(0.05)
    assert (document["live"]["node_id"], document["live"]["started_at"]) == (None, None)


async def test_a_task_that_has_ended_says_that_its_output_is_about_to_come_and_a_final_record_asks_nobody(app, calls):
    task_id = (await submitted(app)).task_id
    await completed(app, [task_id])
    document = await reply(app, task_id)
    assert (document["live"]["state"], document["reason"]) == (
        "completed",
        "it has ended; its output is about to be collected",
    )
    await collected(app, task_id)
    calls.clear()
    document = await reply(app, task_id)
    assert (document["state"], document["live"], document["reason"]) == ("succeeded", None, None)
    assert [call.service for call in calls] == ["table"]


async def test_a_queued_record_asks_nobody(app, calls):
    stored = await recorded_only(app, await dropped(app, "a.txt"))
    calls.clear()
    assert (await reply(app, stored.record.task_id))["live"] is None
    assert [call.service for call in calls] == ["table"]


async def test_what_batch_does_not_say_is_unknown_and_the_record_is_answered(app, environment, batch_endpoint, pauses):
    task_id = (await submitted(with_command(app, LONG))).task_id
    await running(app, task_id)
    for status in (403, 503):
        async with faults(batch_endpoint, {"operation": "get_task", "answer": {"status": status, "code": "Odd"}}):
            document = await reply(app, task_id)
        assert (document["live"]["state"], document["reason"]) == ("unknown", None)
        assert str(status) in document["live"]["reason"]
    away = open_app(replace(app.settings, batch=Settings.from_env(environment).batch))
    assert "nothing listens" in (await reply(away, task_id))["live"]["reason"]
    await away.clients.close()
    await deleted(app, (await record_of(app, task_id)).job_id)
    assert "HTTP 404" in (await reply(app, task_id))["live"]["reason"]


async def test_a_slow_batch_is_not_waited_for(app, batch_endpoint, monkeypatch):
    task_id = (await submitted(with_command(app, LONG))).task_id
    monkeypatch.setattr(live, "PATIENCE_SECONDS", 0.2)
    async with faults(batch_endpoint, {"operation": "get_task", "delay": 5}):
        document = await reply(app, task_id)
    assert document["live"]["reason"] == "Batch has not answered within 0.2 seconds"
    assert document["state"] == "submitted"
    await cancel(app, task_id)


@pytest.mark.parametrize("changes", [{"output_tries": 2, "reason": "its output is not copied yet: no"}])
async def test_what_the_app_is_doing_is_kept_as_the_reason(app, changes):
    record = replace(await submitted(app), **changes)
    now_live = live.Live(state="completed", reason="it has ended; its output is about to be collected")
    assert record_reply(record, live=now_live).document["reason"] == changes["reason"]
