"""Steps of tests with a pool that the app scales."""

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import timedelta

from batch_core import scale as scaling
from batch_core.cli import provision
from batch_core.scale import scale
from batch_core.submit import submit
from tests.batch_core.steps import TRIGGER, dropped, later, with_routes

PATIENCE_SECONDS = 30


@asynccontextmanager
async def with_scaled_pool(app, name, words, folder, monkeypatch):
    """Yield the app with a pool of its own, of these words; a command ends when its blob's name is in the folder."""
    # Services give their time in whole seconds.
    monkeypatch.setattr(scaling, "IDLE_FOR", timedelta(seconds=-2))
    pool_id = f"{app.settings.pool.id}-{name}"
    command = f"/bin/bash -c 'until [ -e \"{folder}/$INPUT_BLOB\" ]; do sleep 0.05; done'"
    text = f"""
        [[routes]]
        name = "all"
        match = "**"
        command = {json.dumps(command)}
        pool = "{pool_id}"
        [pools.{pool_id}]
        {words}
    """
    routed = with_routes(app, folder / "routes.toml", text)
    await provision.make(provision.resources(routed)[-1])
    yield routed
    await app.clients.batch.begin_delete_pool(pool_id)


def pool_id_of(app):
    return app.routes().pools[-1].id


async def pool_of(app):
    return await app.clients.batch.get_pool(pool_id_of(app))


async def steady(app):
    """Wait until the pool has the nodes that it is to have, and each of them is ready; return how many these are."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            pool = await pool_of(app)
            nodes = await app.nodes.nodes(pool.id)
            is_ready = all(node.state in {"idle", "running"} for node in nodes)
            if pool.allocation_state == "steady" and is_ready and len(nodes) == pool.target_dedicated_nodes:
                return len(nodes)
            await asyncio.sleep(0.05)


async def put(app, count, prefix="f"):
    """Drop and submit so many files, whose commands end when they are released."""
    versions = [await dropped(app, f"{prefix}{number}.txt", b"0") for number in range(count)]
    return [one.record for one in await submit(app, versions, detected_by=TRIGGER)]


async def running(app, records):
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            tasks = [await app.batch.current_task(record.job_id, record.task_id) for record in records]
            if all(task.state == "running" for task in tasks):
                return [task.node_id for task in tasks]
            await asyncio.sleep(0.05)


async def released(app, tmp_path, records):
    """Let the commands end, and wait until Batch has completed their tasks."""
    for record in records:
        (tmp_path / record.blob).touch()
    async with asyncio.timeout(PATIENCE_SECONDS):
        for record in records:
            while (await app.batch.current_task(record.job_id, record.task_id)).state != "completed":
                await asyncio.sleep(0.05)


async def until_gone(app):
    """Tick in fair weather until the pool has no nodes."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await app.nodes.nodes(pool_id_of(app)) or (await pool_of(app)).allocation_state != "steady":
            # A claim of a process that has ended is over by then.
            await scale(later(app, minutes=6))
            await asyncio.sleep(0.05)
