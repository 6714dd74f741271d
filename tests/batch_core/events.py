"""What is on the queue of events, and what is still to be sent."""

import base64
import json

from azure.storage.queue.aio import QueueClient

from batch_core.app import App
from batch_core.state.outbox import TaskEnd


async def events_of(app: App) -> list[dict]:
    """Take every event off the queue, read as any receiver would."""
    connection = app.settings.storage.connection_string
    async with QueueClient.from_connection_string(connection, app.queue.name) as queue:
        taken = []
        async for message in queue.receive_messages(messages_per_page=32):
            await queue.delete_message(message)
            taken.append(json.loads(base64.b64decode(message.content, validate=True)))
    return taken


async def unsent(app: App) -> list[TaskEnd]:
    """Return the ends that are not announced, of the days that the ticks look at."""
    days = sorted({*await app.table.days(), *await app.outbox.days()})
    return [end for day in days async for page in app.outbox.unsent(day) for end in page]
