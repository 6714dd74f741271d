"""Invocations: functions called one by one, logged, and awaited at the end."""

import asyncio
import logging
import time
import uuid
from collections.abc import Coroutine, Mapping

from local.host import worker
from local.host.errors import InvocationFailedError
from local.host.logs import current_invocation
from local.host.protos import TypedData
from local.host.worker import Function

logger = logging.getLogger(__name__)


class Invoker:
    """Calls functions, and keeps count of the work that must not be cut off."""

    def __init__(self) -> None:
        self._work: set[asyncio.Task[None]] = set()

    async def call(
        self,
        function: Function,
        *,
        reason: str,
        inputs: Mapping[str, TypedData],
        metadata: Mapping[str, TypedData] | None = None,
    ) -> TypedData | None:
        """Invoke a function; return its `$return` value or raise InvocationFailedError.

        Both is logged here, the traceback included.
        """
        invocation_id = str(uuid.uuid4())
        token = current_invocation.set(f"{function.name} {invocation_id[:8]}")
        began = time.monotonic()
        logger.info("Executing: %s", _one_line(reason))
        try:
            value = await worker.invoke(function, invocation_id, inputs, metadata or {})
        except InvocationFailedError as exc:
            # The stack that matters is that of the function, in the worker.
            logger.error("Failed after %d ms\n%s", _milliseconds(began), exc.stack_trace.rstrip())  # noqa: TRY400
            raise
        else:
            logger.info("Succeeded after %d ms", _milliseconds(began))
            return value
        finally:
            current_invocation.reset(token)

    def start(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Run `work` as a task that `drain` waits for."""
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task

    async def drain(self, seconds: float) -> None:
        """Wait until all started work has ended; after `seconds`, cancel what is left."""
        if not self._work:
            return
        logger.info("Waiting for %d running functions", len(self._work))
        _, left = await asyncio.wait(self._work, timeout=seconds)
        for task in left:
            task.cancel()
        if left:
            logger.warning("Cut off %d running functions", len(left))
            await asyncio.wait(left)


def _one_line(reason: str) -> str:
    # The path of a request and the name of a blob may hold a line break.
    return reason.replace("\n", "\\n")


def _milliseconds(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
