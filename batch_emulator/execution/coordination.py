"""The coordination command of a multi-instance task on one of its nodes.

https://learn.microsoft.com/azure/batch/batch-mpi
"""

import asyncio
from dataclasses import dataclass

from batch_emulator.execution.attempt import make_directory
from batch_emulator.execution.command_line import split_command_line
from batch_emulator.execution.directories import RunDirectory
from batch_emulator.execution.environment import RUN_MARK
from batch_emulator.execution.leftovers import kill_leftovers
from batch_emulator.execution.outcome import Outcome, RunError, exit_failure, launch_failed
from batch_emulator.execution.process import TaskProcess
from batch_emulator.execution.transfers import Transfers
from batch_emulator.values.documents import Document


@dataclass(frozen=True, kw_only=True)
class Coordination:
    """What to run, and where; the common resource files go to the task's shared directory."""

    command_line: str
    directory: RunDirectory
    environment: dict[str, str]
    resource_files: tuple[Document, ...] = ()


async def coordinate(coordination: Coordination, transfers: Transfers) -> Outcome:
    """Run the command to its end; what it leaves in the background stays until `end_background`."""
    try:
        code = await _run(coordination, transfers)
    except RunError as exc:
        return Outcome(failure=exc.failure)
    return Outcome(exit_code=code, failure=exit_failure() if code else None)


async def _run(coordination: Coordination, transfers: Transfers) -> int:
    directory = coordination.directory
    await make_directory(directory)
    for entry in coordination.resource_files:
        await transfers.downloads.fetch(entry, directory.root)
    try:
        command = split_command_line(coordination.command_line)
    except ValueError as exc:
        raise launch_failed(str(exc)) from exc
    process = TaskProcess.start(command, directory, coordination.environment)
    try:
        return await process.wait(leaving_background=True)
    except asyncio.CancelledError:
        await asyncio.shield(process.kill())
        raise


async def end_background(directory: RunDirectory) -> None:
    """End every process that a coordination command left behind."""
    await asyncio.to_thread(kill_leftovers, RUN_MARK, directory.working)
