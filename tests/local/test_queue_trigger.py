import asyncio
import contextlib
import json
from datetime import UTC, datetime

from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import ResourceExistsError

from batch_core.clocks import ServiceClock
from batch_core.cloud_event import cloud_event
from batch_core.services.storage_queue import StorageQueue
from batch_core.services.transport import BriefTransport
from batch_core.state.outbox import TaskEnd
from batch_core.state.record import TaskState
from local.azurite import ACCOUNT_KEY
from local.host.invoker import Invoker
from local.host.queues.listener import QueueListener, encoded
from tests.local.hosts import arrived, eventually

TASK = "20261123T080102-a-txt-0123456789abcdef"
NOW = datetime(2026, 11, 23, 8, 1, 2, tzinfo=UTC)


async def put(queues, name: str, text: str) -> None:
    queue = queues.get_queue_client(name)
    if not [q async for q in queues.list_queues(name_starts_with=name) if q.name == name]:
        await queue.create_queue()
    await queue.send_message(text)


async def test_a_message_is_handled_once_with_its_metadata(running_host, queues):
    await put(queues, "jobs", encoded("grüße"))
    notes = await eventually(lambda: running_host.notes("job", text="grüße"))
    assert notes == [{"text": "grüße", "tries": 1, "inserted": True}]
    queue = queues.get_queue_client("jobs")
    assert not [message async for message in queue.receive_messages()]


async def test_an_event_of_the_app_is_read_as_json(running_host, queues):
    queue = queues.get_queue_client("jobs")
    key = AzureNamedKeyCredential(queues.account_name, ACCOUNT_KEY)
    events = StorageQueue(queues.url, "jobs", key, BriefTransport(ServiceClock(service="Queue Storage")))
    with contextlib.suppress(ResourceExistsError):
        await queue.create_queue()
    end = TaskEnd(task_id=TASK, state=TaskState.FAILED, closed_at=NOW, container="input", blob="ä <b>.txt")
    await events.send(cloud_event(end, source="https://a/tasks", attempt=1, output_container="output"))
    await events.close()
    (note,) = await eventually(lambda: [one for one in running_host.notes("job") if TASK in one["text"]])
    assert json.loads(note["text"])["data"]["blob"] == "ä <b>.txt"


async def test_a_message_that_keeps_failing_goes_to_the_poison_queue_of_its_queue(running_host, queues):
    await put(queues, "jobs", encoded("bad"))
    await eventually(lambda: len(running_host.notes("job", text="bad")) == 2)
    await eventually(lambda: "poison_queue=jobs-poison" in running_host.process.log.read_text())
    poison = queues.get_queue_client("jobs-poison")
    messages = await arrived(poison)
    assert messages == [encoded("bad")]
    assert [note["tries"] for note in running_host.notes("job", text="bad")] == [1, 2]


async def test_a_message_that_is_not_base64_is_taken_as_it_is(running_host, queues):
    await put(queues, "jobs", "{plain text}")
    (note,) = await eventually(lambda: running_host.notes("job", text="{plain text}"))
    assert note["text"] == "{plain text}"


async def test_a_message_of_a_poison_queue_is_left_alone_after_its_last_try(queues):
    await put(queues, "exhausted-poison", encoded("bad"))
    queue = queues.get_queue_client("exhausted-poison")
    for _ in range(5):
        (message,) = [message async for message in queue.receive_messages()]
        await queue.update_message(message, visibility_timeout=0)
    handled = []

    async def handle(message) -> None:
        handled.append(message.body)

    listener = QueueListener(
        queue=queue, poison=lambda _: None, handle=handle, parallelism=4, tries=5, invoker=Invoker()
    )
    running = asyncio.create_task(listener.run())
    try:
        # Taken once more, as the sixth time, and hidden again without being handed over.
        async with asyncio.timeout(15):
            while await queue.peek_messages():
                await asyncio.sleep(0.05)
        await listener.invoker.drain(15)
    finally:
        running.cancel()
    assert handled == []
    assert (await queue.get_queue_properties()).approximate_message_count == 1
