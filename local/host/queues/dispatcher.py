"""Queue triggers: each message of a queue handed to its function."""

from dataclasses import dataclass
from datetime import datetime

from local.host.bindings import QueueTrigger
from local.host.invoker import Invoker
from local.host.protos import TypedData
from local.host.queues.listener import ReceivedMessage


@dataclass(frozen=True, kw_only=True)
class QueueDispatcher:
    """Handles the messages of one queue trigger."""

    trigger: QueueTrigger
    invoker: Invoker

    async def handle(self, message: ReceivedMessage) -> None:
        """Run the function for a message; raise InvocationFailedError."""
        content = _content(message.body)
        await self.invoker.call(
            self.trigger.function,
            reason=f"queue {self.trigger.queue}",
            inputs={self.trigger.parameter: content},
            metadata={"QueueTrigger": content, **_metadata(message)},
        )


def _content(body: bytes) -> TypedData:
    try:
        return TypedData(string=body.decode())
    except UnicodeDecodeError:
        return TypedData(bytes=body)


def _metadata(message: ReceivedMessage) -> dict[str, TypedData]:
    received = message.received
    return {
        "Id": TypedData(string=received.id),
        "DequeueCount": TypedData(json=str(received.dequeue_count)),
        "InsertionTime": _time(received.inserted_on),
        "ExpirationTime": _time(received.expires_on),
        "NextVisibleTime": _time(received.next_visible_on),
        "PopReceipt": TypedData(string=received.pop_receipt),
    }


def _time(moment: datetime | None) -> TypedData:
    return TypedData(string=moment.isoformat()) if moment else TypedData()
