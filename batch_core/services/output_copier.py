"""A file of a task's directory becomes a blob of the output container: whole or not at all, with little memory.

Small files take one read and one write. Large ones are read in ranges and staged as blocks; the blob appears when all
of them exist. What a tick staged is found by the next one, which goes on after it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from batch_core.errors import ServiceError, Unavailable
from batch_core.services.batch_errors import is_gone, is_out_of_reach
from batch_core.services.batch_values import FileProperties
from batch_core.services.clients import BLOCK_SIZE
from batch_core.services.output_container import OutputContainer
from batch_core.services.task_files import TaskFile, TaskFiles
from batch_core.time_budget import TimeBudget

#: A file that is shorter is copied in one piece, in bytes.
SMALL: Final = 1024 * 1024


class OutputCopier:
    """Copies files. One that is not on its node any more is fine if an earlier tick has copied it and then stopped."""

    def __init__(self, files: TaskFiles, outputs: OutputContainer) -> None:
        self._files = files
        self._outputs = outputs

    async def copy_small(self, file: TaskFile, blob_name: str) -> bytes | None:
        """Copy the file if it is small; None if it is not. Raises the `ServiceError` that fits.

        Returns its content; nothing if it was copied before and is gone from its node.
        """
        content = b""
        async with self._unless_copied(blob_name):
            content = await self._files.read(file, 0, SMALL)
            if len(content) == SMALL:
                return None
            await self._outputs.write(blob_name, content)
        return content

    async def end_of(self, file: TaskFile, length: int) -> bytes:
        """Return the last bytes of a large file: two calls. Raises the `ServiceError` that fits."""
        size = (await self._files.properties(file)).size
        return await self._files.read(file, max(0, size - length), length)

    async def copy(self, file: TaskFile, blob_name: str, budget: TimeBudget) -> None:
        """Copy the file in blocks; raises the `ServiceError` that fits, and `OutOfTime` between two of them."""
        async with self._unless_copied(blob_name):
            properties = await self._files.properties(file)
            blocks = _blocks(properties)
            staged = await self._outputs.blocks_of(blob_name)
            for block_id, start in blocks.items():
                if block_id in staged:
                    continue
                budget.check()
                await self._copy_block(file, blob_name, block_id, start, min(BLOCK_SIZE, properties.size - start))
            if await self._files.properties(file) != properties:
                raise Unavailable(f"copying {file.name} of task {file.task_id}", detail="it changed meanwhile")
            await self._outputs.commit(blob_name, list(blocks))

    async def _copy_block(self, file: TaskFile, blob_name: str, block_id: str, start: int, length: int) -> None:
        content = await self._files.read(file, start, length)
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


def _blocks(properties: FileProperties) -> dict[str, int]:
    """Return the id of each block and where it starts; blocks of another content have other ids."""
    content = f"{properties.size:016x}-{int(properties.modified.timestamp()):010x}"
    return {f"{content}-{start // BLOCK_SIZE:06}": start for start in range(0, properties.size, BLOCK_SIZE)}
