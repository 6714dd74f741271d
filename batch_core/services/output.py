"""A file of a task's directory becomes a blob of the output container: whole or not at all, with little memory.

Small files take one read and one write. Large ones are read in ranges and staged as blocks; the blob appears when all
of them are there. What a tick staged is found by the next one, which goes on after it.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from batch_core.errors import OutOfTime, ServiceError, Unavailable
from batch_core.services.batch import BatchService, FileFacts, is_gone, is_out_of_reach
from batch_core.services.clients import BLOCK_SIZE
from batch_core.services.containers import OutputContainer

#: A file that is shorter is copied in one piece, in bytes.
SMALL = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class TaskFile:
    """A file in the directory of a task."""

    job_id: str
    task_id: str
    name: str


class OutputCopier:
    """Copies files. One that is not on its node any more is fine if an earlier tick has copied it and then stopped."""

    def __init__(self, batch: BatchService, outputs: OutputContainer) -> None:
        self._batch = batch
        self._outputs = outputs

    async def copy_small(self, file: TaskFile, blob_name: str) -> bytes | None:
        """Copy the file if it is small; None if it is not. Raises the `ServiceError` that fits.

        Returns its content; nothing if it was copied before and is gone from its node.
        """
        content = b""
        async with self._unless_copied(blob_name):
            content = await self._batch.read_range(file.job_id, file.task_id, file.name, 0, SMALL)
            if len(content) == SMALL:
                return None
            await self._outputs.write(blob_name, content)
        return content

    async def end_of(self, file: TaskFile, length: int) -> bytes:
        """Return the last bytes of a large file: two calls. Raises the `ServiceError` that fits."""
        size = (await self._facts(file)).size
        return await self._batch.read_range(file.job_id, file.task_id, file.name, max(0, size - length), length)

    async def copy(self, file: TaskFile, blob_name: str, is_out_of_time: Callable[[], bool]) -> None:
        """Copy the file in blocks; raises the `ServiceError` that fits, and `OutOfTime` between two of them."""
        async with self._unless_copied(blob_name):
            facts = await self._facts(file)
            blocks = _blocks(facts)
            staged = await self._outputs.blocks_of(blob_name)
            for block_id, start in blocks.items():
                if block_id in staged:
                    continue
                if is_out_of_time():
                    raise OutOfTime(f"copying {file.name} of task {file.task_id} goes on in the next tick")
                await self._copy_block(file, blob_name, block_id, start, min(BLOCK_SIZE, facts.size - start))
            if await self._facts(file) != facts:
                raise Unavailable(f"copying {file.name} of task {file.task_id}", detail="it changed meanwhile")
            await self._outputs.commit(blob_name, list(blocks))

    async def _facts(self, file: TaskFile) -> FileFacts:
        return await self._batch.file_facts(file.job_id, file.task_id, file.name)

    async def _copy_block(self, file: TaskFile, blob_name: str, block_id: str, start: int, length: int) -> None:
        content = await self._batch.read_range(file.job_id, file.task_id, file.name, start, length)
        if len(content) != length:
            detail = f"{len(content)} bytes came instead of {length}"
            raise Unavailable(f"reading {file.name} of task {file.task_id}", detail=detail)
        await self._outputs.stage(blob_name, block_id, content)

    @asynccontextmanager
    async def _unless_copied(self, blob_name: str) -> AsyncIterator[None]:
        try:
            yield
        except ServiceError as exc:
            is_away = is_gone(exc) or is_out_of_reach(exc)
            if not is_away or not await self._outputs.has(blob_name):
                raise


def _blocks(facts: FileFacts) -> dict[str, int]:
    """Return the id of each block and where it starts; blocks of another content have other ids."""
    content = f"{facts.size:016x}-{int(facts.modified.timestamp()):010x}"
    return {f"{content}-{start // BLOCK_SIZE:06}": start for start in range(0, facts.size, BLOCK_SIZE)}
