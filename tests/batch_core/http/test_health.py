import asyncio
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from batch_core.app import open_app
from batch_core.config.settings import BatchAccount
from batch_core.http.health import check_health
from batch_core.services import input_listing
from batch_core.sweep import sweep
from tests.batch_core.steps import dropped


async def found(app):
    return {check.name: (check.is_ok, check.detail) for check in await check_health(app)}


async def test_everything_works(app):
    async with asyncio.timeout(30):
        while not (await found(app))["pool"][1].endswith("steady"):
            await asyncio.sleep(0.05)
    pool_id = app.settings.pool.id
    checks = await found(app)
    is_in_step, clock = checks.pop("clock")
    apart = "(within a second of|[0-9]+ seconds ahead of)"
    expected = f"this machine's clock is {apart} Blob Storage's, {apart} Table Storage's, {apart} Batch's"
    assert is_in_step
    assert re.fullmatch(expected, clock), clock
    assert checks == {
        "settings": (True, "all valid"),
        "input container": (True, "answers"),
        "output container": (True, "answers"),
        "table": (True, "answers"),
        "batch": (True, "answers"),
        "pool": (True, f"{pool_id}: 2 of 2 nodes, active, steady"),
        "open work": (True, "its days and jobs are listed"),
    }


async def test_each_missing_part_is_named_and_the_others_still_work(app):
    await app.clients.blobs.get_container_client(app.settings.output_container).delete_container()
    await app.clients.tables.delete_table(app.settings.table_name)
    checks = await found(app)
    assert [name for name, (is_ok, _) in checks.items() if not is_ok] == ["output container", "table", "open work"]
    assert "ContainerNotFound" in checks["output container"][1]
    assert "TableNotFound" in checks["table"][1]


LONG_NAMES = {"characters": "n" * 1000 + ".txt", "parts": "/".join("s" * 252)}


@pytest.mark.parametrize("kind", LONG_NAMES)
async def test_a_file_whose_name_stops_the_host_is_reported_until_it_is_gone(app, kind, calls, monkeypatch):
    monkeypatch.setattr(input_listing, "MAX_BLOBS_PER_PAGE", 1)
    for name in ("a.txt", LONG_NAMES[kind], "z.txt"):
        await dropped(app, name)
    assert "file names" not in await found(app)
    # A listing that is cut in pieces shows when it is whole.
    while not (await sweep(app, budget=timedelta(0))).is_complete:
        assert "file names" not in await found(app)
    calls.clear()
    is_ok, detail = (await found(app))["file names"]
    assert not is_ok
    assert "BLOB_TRIGGER_SOURCE to EventGrid" in detail
    assert LONG_NAMES[kind][:40] in detail
    # Nothing is listed for it.
    assert [call for call in calls if call.service == "blob" and call.path.count("/") > 2] == []
    await sweep(app, budget=timedelta(0))
    assert "file names" in await found(app)
    with_events = replace(app.settings, intake=replace(app.settings.intake, is_scanned=False))
    assert "file names" not in await found(replace(app, settings=with_events))
    container = app.clients.blobs.get_container_client(app.settings.input_container)
    await container.delete_blob(LONG_NAMES[kind])
    while not (await sweep(app)).is_complete:
        pass
    await sweep(app)
    assert "file names" not in await found(app)


async def test_a_missing_pool_is_not_a_broken_batch(app):
    other = replace(app, settings=replace(app.settings, pool=replace(app.settings.pool, id="no-such-pool")))
    checks = await found(other)
    assert checks["batch"] == (True, "answers")
    assert checks["pool"] == (False, "there is no pool 'no-such-pool': `batchdrop setup` makes it")


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
