"""What a task printed becomes blobs of the output container: whole or not at all, with little memory.

Small files take one read and one write each. Large ones are read in ranges and staged as blocks; the blob appears when
all of them exist. What a tick staged is found by the next one, which goes on after it.

Standard output is written last: where its blob exists, standard error was dealt with, and was empty if it has none.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from batch_core.errors import ServiceError, Unavailable
from batch_core.services.batch_errors import is_gone, is_out_of_reach
from batch_core.services.batch_values import FileProperties
from batch_core.services.clients import BLOCK_SIZE
from batch_core.services.memory_room import MemoryRoom, Place
from batch_core.services.output_container import OutputContainer
from batch_core.services.task_files import TaskFile, TaskFiles
from batch_core.time_budget import TimeBudget

#: A file that is shorter is copied in one piece, in bytes.
SMALL: Final = 1024 * 1024
#: Of files in one piece that are not tiny, what is in memory at the same time, in bytes.
_MOST_BYTES: Final = 32 * SMALL


@dataclass(frozen=True, kw_only=True)
class Printed:
    """What a task printed: the files on its node, and the names of the blobs that they become.

    `has_empty_blob` says whether an empty standard error becomes a blob, as it does where the node uploads.
    """

    stdout: TaskFile
    stdout_blob: str
    stderr: TaskFile
    stderr_blob: str
    has_empty_blob: bool = False


@dataclass(frozen=True, kw_only=True)
class Copied:
    """What was copied: sizes in bytes, and what was read of standard error, of which large output holds nothing."""

    stdout_size: int
    stderr_size: int
    stderr: bytes = b""


class OutputCopier:
    """Copies what tasks print. What is not on its node any more is fine if an earlier tick copied it, then stopped."""

    def __init__(self, files: TaskFiles, outputs: OutputContainer) -> None:
        self._files = files
        self._outputs = outputs
        self._room = MemoryRoom(_MOST_BYTES)

    async def copy_small(self, printed: Printed) -> Copied | None:
        """Copy both files if they are small; None if one is not. Raises the `ServiceError` that fits."""
        async with self._room.place(2 * SMALL) as place:
            try:
                stdout, stderr = await self._read_both(printed, place)
            except ServiceError as exc:
                return await self._copied_before(printed, exc)
            if stdout is None or stderr is None:
                return None
            if stderr or printed.has_empty_blob:
                await self._outputs.write(printed.stderr_blob, stderr)
            await self._outputs.write(printed.stdout_blob, stdout)
            return Copied(stdout_size=len(stdout), stderr_size=len(stderr), stderr=stderr)

    async def end_of(self, file: TaskFile, length: int) -> bytes:
        """Return the last bytes of a large file: two calls. Raises the `ServiceError` that fits."""
        size = (await self._files.properties(file)).size
        return await self._files.read(file, max(0, size - length), length)

    async def copy(self, printed: Printed, budget: TimeBudget) -> Copied:
        """Copy both files in blocks; raises the `ServiceError` that fits, and `OutOfTime` between two blocks."""
        try:
            stderr_size = await self._copy(
                printed.stderr, printed.stderr_blob, budget, has_empty_blob=printed.has_empty_blob
            )
            stdout_size = await self._copy(printed.stdout, printed.stdout_blob, budget, has_empty_blob=True)
        except ServiceError as exc:
            return await self._copied_before(printed, exc)
        return Copied(stdout_size=stdout_size, stderr_size=stderr_size)

    async def _read_both(self, printed: Printed, place: Place) -> tuple[bytes | None, bytes | None]:
        reads = [self._files.read_small(file, SMALL - 1, place.take) for file in (printed.stdout, printed.stderr)]
        stdout, stderr = await asyncio.gather(*reads, return_exceptions=True)
        if isinstance(stdout, BaseException):
            raise stdout
        if isinstance(stderr, BaseException):
            raise stderr
        return stdout, stderr

    async def _copied_before(self, printed: Printed, error: ServiceError) -> Copied:
        """Return what an earlier tick copied; raises the error if that is not why the files are out of reach."""
        is_away = is_gone(error) or is_out_of_reach(error)
        stdout_size = await self._outputs.size_of(printed.stdout_blob) if is_away else None
        if stdout_size is None:
            raise error
        stderr_size = await self._outputs.size_of(printed.stderr_blob)
        if stderr_size is None and printed.has_empty_blob:
            raise error
        return Copied(stdout_size=stdout_size, stderr_size=stderr_size or 0)

    async def _copy(self, file: TaskFile, blob_name: str, budget: TimeBudget, *, has_empty_blob: bool) -> int:
        """Copy one file in blocks; returns its size."""
        properties = await self._files.properties(file)
        if not properties.size and not has_empty_blob:
            return 0
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
        return properties.size

    async def _copy_block(self, file: TaskFile, blob_name: str, block_id: str, start: int, length: int) -> None:
        content = await self._files.read(file, start, length)
        if len(content) != length:
            detail = f"{len(content)} bytes came instead of {length}"
            raise Unavailable(f"reading {file.name} of task {file.task_id}", detail=detail)
        await self._outputs.stage(blob_name, block_id, content)


def _blocks(properties: FileProperties) -> dict[str, int]:
    """Return the id of each block and where it starts; blocks of another content have other ids."""
    content = f"{properties.size:016x}-{int(properties.modified.timestamp()):010x}"
    return {f"{content}-{start // BLOCK_SIZE:06}": start for start in range(0, properties.size, BLOCK_SIZE)}
