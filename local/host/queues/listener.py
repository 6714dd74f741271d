"""Take messages from a Storage queue and handle them, some at a time, each until it is done.

A message stays invisible to others while it is handled; one that failed is tried again at once; one
that failed too often goes to a poison queue. A queue that is a poison queue itself has none: a message that failed
there stays invisible for ten minutes, and after the last try is not handed over again.
https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue-trigger#poison-messages
"""

import asyncio
import base64
import binascii
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from local.host.errors import InvocationFailedError
from local.host.invoker import Invoker

logger = logging.getLogger(__name__)

_INVISIBLE_SECONDS: Final = 600
_RENEW_SECONDS: Final = 300
_SHORTEST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 2.0
_GATHERING_SECONDS: Final = 0.02
_LARGEST_BATCH: Final = 32


@dataclass(frozen=True, kw_only=True)
class ReceivedMessage:
    """A queue message with its content decoded from base64."""

    body: bytes
    received: QueueMessage


@dataclass(kw_only=True)
class QueueListener:
    """Drains `queue`: `handle` raises to fail a message, which has `tries` before it is poison."""

    queue: QueueClient
    #: Where a message goes that failed too often; None, for all or for one message: it stays where it is.
    poison: Callable[[ReceivedMessage], QueueClient | None]
    handle: Callable[[ReceivedMessage], Awaitable[None]]
    parallelism: int
    tries: int
    invoker: Invoker
    _running: int = field(default=0, init=False)
    _work: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _room: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    def wake(self) -> None:
        """Look at the queue now: something was put in."""
        self._work.set()

    async def run(self) -> None:
        """Take and handle messages until cancelled; what is being handled then goes on."""
        pause = _SHORTEST_PAUSE
        while True:
            await self._wait_for_room()
            self._work.clear()
            messages = await self._take(self.parallelism - self._running)
            for message in messages:
                self._running += 1
                self.invoker.start(self._process(message))
            if messages:
                pause = _SHORTEST_PAUSE
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._work.wait(), pause)
                pause = 0
            pause = max(_SHORTEST_PAUSE, min(2 * pause, _LONGEST_PAUSE))

    async def _wait_for_room(self) -> None:
        while self._running >= self.parallelism:
            self._room.clear()
            await self._room.wait()
        if self._running > self.parallelism * 3 // 4:
            # Functions tend to end together: one call then fetches several messages.
            await asyncio.sleep(_GATHERING_SECONDS)

    async def _take(self, count: int) -> list[QueueMessage]:
        receiving = asyncio.create_task(self._receive(count))
        try:
            return await asyncio.shield(receiving)
        except asyncio.CancelledError:
            # What the queue has handed out by now would stay invisible for minutes.
            for message in await receiving:
                await self._release(message)
            raise

    async def _receive(self, count: int) -> list[QueueMessage]:
        count = min(count, _LARGEST_BATCH)
        pages = self.queue.receive_messages(
            messages_per_page=count, max_messages=count, visibility_timeout=_INVISIBLE_SECONDS
        )
        try:
            return [message async for message in pages]
        except ResourceNotFoundError:
            return []
        except AzureError as exc:
            self._warn("Cannot read the queue", reason=str(exc))
            return []

    async def _process(self, received: QueueMessage) -> None:
        renewal = asyncio.create_task(self._renew(received))
        try:
            succeeded = await self._attempt(received)
            renewal.cancel()
            await self._settle(received, succeeded=succeeded)
        except asyncio.CancelledError:
            await self._release(received)
            raise
        except AzureError as exc:
            # It becomes visible again by itself, and is handled once more.
            self._warn("Cannot settle a message", reason=str(exc), message_id=received.id)
        finally:
            renewal.cancel()
            self._running -= 1
            self._room.set()

    async def _attempt(self, received: QueueMessage) -> bool:
        if (received.dequeue_count or 0) > self.tries:
            return False  # the host died with it several times
        message = _as_received(received)
        try:
            await self.handle(message)
        except InvocationFailedError:
            return False  # logged where it was invoked
        except Exception:  # whatever it is, the message is tried again
            logger.exception("Cannot handle a message of queue %s", self.queue.queue_name)
            return False
        return True

    async def _settle(self, received: QueueMessage, *, succeeded: bool) -> None:
        if not succeeded:
            poison = self.poison(_as_received(received))
            if poison is None:
                # CreatePoisonQueueReference in QueueListenerFactory.cs of the real host's Storage extension.
                self._warn("A message failed and stays invisible for ten minutes", message_id=received.id)
                return
            if (received.dequeue_count or 0) < self.tries:
                await self._release(received)
                return
            await self._send_to_poison(received, poison)
        with contextlib.suppress(ResourceNotFoundError):
            await self.queue.delete_message(received)

    async def _release(self, received: QueueMessage) -> None:
        await self.queue.update_message(received, visibility_timeout=0)
        self.wake()

    async def _send_to_poison(self, received: QueueMessage, poison: QueueClient) -> None:
        self._warn(
            "A message failed too often and goes to the poison queue",
            poison_queue=poison.queue_name,
            message_id=received.id,
            tries=self.tries,
        )
        with contextlib.suppress(ResourceExistsError):
            await poison.create_queue()
        await poison.send_message(received.content)

    async def _renew(self, received: QueueMessage) -> None:
        while True:
            await asyncio.sleep(_RENEW_SECONDS)
            try:
                renewed = await self.queue.update_message(received, visibility_timeout=_INVISIBLE_SECONDS)
            except AzureError as exc:
                self._warn("Cannot keep a message", reason=str(exc), message_id=received.id)
                continue
            received.pop_receipt = renewed.pop_receipt

    def _warn(self, sentence: str, **facts: object) -> None:
        details = " ".join(f"{name}={value}" for name, value in {"queue": self.queue.queue_name, **facts}.items())
        logger.warning("%s: %s", sentence, details)


def encoded(text: str) -> str:
    """Return the content of a message that holds `text`: hosts write and expect base64."""
    return base64.b64encode(text.encode()).decode()


def _as_received(received: QueueMessage) -> ReceivedMessage:
    return ReceivedMessage(body=_decoded(received.content), received=received)


def _decoded(content: str) -> bytes:
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError):
        return content.encode()
