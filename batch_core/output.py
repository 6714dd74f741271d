"""A file of a task's directory becomes a blob of the output container: whole or not at all, with little memory.

Small files take one read and one write. Large ones are read in ranges and staged as blocks; the blob appears when all
of them are there. What a tick staged is found by the next one, which goes on after it.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from batch_core.batch_service import BatchService, is_gone, is_out_of_reach
from batch_core.clients import BLOCK_SIZE
from batch_core.containers import OutputContainer
from batch_core.errors import OutOfTime, ServiceError, Unavailable

#: Up to here a file is copied in one piece, in bytes.
SMALL = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class TaskFile:
    """A file in the directory of a task."""

    job_id: str
    task_id: str
    name: str


class OutputCopier:
    """Copies files; at most two large ones at a time, so that a few blocks at most are in memory."""

    def __init__(self, batch: BatchService, outputs: OutputContainer) -> None:
        self._batch = batch
        self._outputs = outputs
        self._large = asyncio.Semaphore(2)

    async def copy(self, file: TaskFile, blob_name: str, is_out_of_time: Callable[[], bool]) -> None:
        """Copy one file; raises the `ServiceError` that fits, and `OutOfTime` between two blocks.

        A file that is not on its node any more is fine if an earlier tick has copied it and then stopped.
        """
        try:
            await self._copy(file, blob_name, is_out_of_time)
        except ServiceError as exc:
            is_away = is_gone(exc) or is_out_of_reach(exc)
            if not is_away or not await self._outputs.has(blob_name):
                raise

    async def _copy(self, file: TaskFile, blob_name: str, is_out_of_time: Callable[[], bool]) -> None:
        head = await self._batch.read_range(file.job_id, file.task_id, file.name, 0, SMALL)
        if len(head) < SMALL:
            await self._outputs.write(blob_name, head)
            return
        async with self._large:
            await self._copy_blocks(file, blob_name, is_out_of_time)

    async def _copy_blocks(self, file: TaskFile, blob_name: str, is_out_of_time: Callable[[], bool]) -> None:
        size = await self._batch.file_size(file.job_id, file.task_id, file.name)
        # With the size in the block's id, blocks of another content never get into this one.
        blocks = {f"{size:016x}-{start // BLOCK_SIZE:06}": start for start in range(0, size, BLOCK_SIZE)}
        staged = await self._outputs.staged_blocks(blob_name)
        for block_id, start in blocks.items():
            if block_id in staged:
                continue
            if is_out_of_time():
                raise OutOfTime(f"copying {file.name} of task {file.task_id} goes on in the next tick")
            await self._copy_block(file, blob_name, block_id, start, min(BLOCK_SIZE, size - start))
        await self._outputs.commit(blob_name, list(blocks))

    async def _copy_block(self, file: TaskFile, blob_name: str, block_id: str, start: int, length: int) -> None:
        content = await self._batch.read_range(file.job_id, file.task_id, file.name, start, length)
        if len(content) != length:
            detail = f"{len(content)} bytes came instead of {length}"
            raise Unavailable(f"reading {file.name} of task {file.task_id}", detail=detail)
        await self._outputs.stage(blob_name, block_id, content)
