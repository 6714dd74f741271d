import asyncio
from dataclasses import replace

from batch_core.app import open_app
from batch_core.health import check_health
from batch_core.settings import BatchAccount


async def found(app):
    return {check.name: (check.is_ok, check.detail) for check in await check_health(app)}


async def test_everything_works(app):
    async with asyncio.timeout(30):
        while not (await found(app))["pool"][1].endswith("steady"):
            await asyncio.sleep(0.05)
    pool_id = app.settings.pool.id
    assert await found(app) == {
        "settings": (True, "all valid"),
        "input container": (True, "answers"),
        "output container": (True, "answers"),
        "table": (True, "answers"),
        "batch": (True, "answers"),
        "pool": (True, f"{pool_id}: 2 of 2 nodes, active, steady"),
    }


async def test_each_missing_part_is_named_and_the_others_still_work(app):
    await app.clients.blobs.get_container_client(app.settings.output_container).delete_container()
    await app.clients.tables.delete_table(app.settings.table_name)
    checks = await found(app)
    assert [name for name, (is_ok, _) in checks.items() if not is_ok] == ["output container", "table"]
    assert "ContainerNotFound" in checks["output container"][1]
    assert "TableNotFound" in checks["table"][1]


async def test_a_missing_pool_is_not_a_broken_batch(app):
    other = replace(app, settings=replace(app.settings, pool=replace(app.settings.pool, id="no-such-pool")))
    checks = await found(other)
    assert checks["batch"] == (True, "answers")
    assert checks["pool"] == (False, "there is no pool 'no-such-pool': `python -m batch_core setup` makes it")


async def test_a_wrong_key_is_said_to_be_one(app):
    account = replace(app.settings.batch, key="d3Jvbmc=")
    other = open_app(replace(app.settings, batch=account))
    checks = await found(other)
    await other.clients.close()
    assert not checks["batch"][0]
    assert "HTTP 403, AuthenticationFailed" in checks["batch"][1]


async def test_what_is_out_of_reach_is_said_to_be(app):
    away = BatchAccount(endpoint="http://127.0.0.1:9", name="a", key="a2V5")
    other = open_app(replace(app.settings, batch=away))
    checks = await found(other)
    await other.clients.close()
    assert not checks["batch"][0]
    assert not checks["pool"][0]
    assert checks["table"][0]
