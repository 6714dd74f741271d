"""The queue of events, as setup, teardown and doctor treat it."""

import pytest

from batch_core.errors import Missing

pytestmark = pytest.mark.usefixtures("events_queue")


async def test_setup_makes_the_queue_and_teardown_counts_and_deletes_it(app, batchdrop):
    name = app.queue.name
    assert f"queue {name}: exists" in (await batchdrop("setup")).lines
    await app.queue.delete()
    assert f"queue {name}: would be created" in (await batchdrop("setup", "--dry-run")).lines
    with pytest.raises(Missing):
        await app.queue.message_count()
    assert f"queue {name}: created" in (await batchdrop("setup")).lines
    await app.queue.send("text")
    assert f"  queue {name} (1 message)" in (await batchdrop("teardown", "--dry-run")).lines
    assert await app.queue.message_count() == 1
    assert f"queue {name}: deleted" in (await batchdrop("teardown", "--yes")).lines
    with pytest.raises(Missing):
        await app.queue.message_count()
    await batchdrop("setup")


async def test_a_queue_that_no_setting_names_is_left_alone(app, batchdrop):
    done = await batchdrop("teardown", "--yes", EVENTS_QUEUE="")
    assert "queue" not in done.text
    assert await app.queue.message_count() == 0
    await batchdrop("setup")


async def test_doctor_says_whether_events_can_be_sent(app, batchdrop):
    (document,) = (await batchdrop("doctor", "--json")).documents
    found = {one["name"]: one for one in document["checks"]}
    assert found["events"]["detail"] == f"queue {app.queue.name} answers; about 0 messages wait in it"
    assert found["event sending"]["detail"] == "allowed"
    await app.queue.delete()
    (document,) = (await batchdrop("doctor", "--json")).documents
    found = {one["name"]: one for one in document["checks"]}
    assert not found["events"]["ok"]
    assert found["events"]["remedy"] == "`batchdrop setup` makes what is missing"
