"""One run of a task from an empty directory to an exit code."""

import asyncio
import signal
from dataclasses import dataclass, replace
from typing import Final

from batch_emulator.execution.command_line import split_command_line
from batch_emulator.execution.directories import NodeDirectory, RunDirectory
from batch_emulator.execution.outcome import (
    Outcome,
    RunError,
    ended_by_time_limit,
    exit_failure,
    launch_failed,
    no_container_runtime,
)
from batch_emulator.execution.process import TaskProcess
from batch_emulator.execution.transfers import Transfers
from batch_emulator.execution.uploads import Remains
from batch_emulator.values.documents import Document

#: The exit code of a command that SIGKILL ended: what a task ended by the service shows.
KILLED: Final = -signal.SIGKILL


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What to run, where, and for how long at most (seconds; None for no limit).

    `packages` are references to application packages; they are unpacked on `node`.
    """

    command_line: str
    directory: RunDirectory
    environment: dict[str, str]
    resource_files: tuple[Document, ...] = ()
    output_files: tuple[Document, ...] = ()
    packages: tuple[Document, ...] = ()
    node: NodeDirectory | None = None
    time_limit: float | None = None
    needs_container: bool = False
    #: The directory has been made, and output is added to that of an earlier command.
    continues: bool = False


async def perform(attempt: Attempt, transfers: Transfers) -> Outcome:
    """Run to the end. A cancelled run has ended all its processes when this returns."""
    outcome = await _run_command(attempt, transfers)
    if outcome.exit_code is None or not attempt.output_files:
        return outcome
    remains = Remains(directory=attempt.directory, environment=attempt.environment, succeeded=outcome.failure is None)
    failure = await transfers.uploads.send(attempt.output_files, remains)
    return replace(outcome, failure=failure) if failure else outcome


async def _run_command(attempt: Attempt, transfers: Transfers) -> Outcome:
    try:
        async with asyncio.timeout(attempt.time_limit):
            code = await _run(attempt, transfers)
    except RunError as exc:
        return Outcome(failure=exc.failure)
    except TimeoutError:
        return Outcome(exit_code=KILLED, failure=ended_by_time_limit())
    return Outcome(exit_code=code, failure=exit_failure() if code else None)


async def _run(attempt: Attempt, transfers: Transfers) -> int:
    if not attempt.continues:
        await make_directory(attempt.directory)
    if attempt.needs_container:
        raise no_container_runtime()
    packages = await transfers.packages.install(attempt.packages, attempt.node) if attempt.node else {}
    for entry in attempt.resource_files:
        await transfers.downloads.fetch(entry, attempt.directory.working)
    try:
        command = split_command_line(attempt.command_line)
    except ValueError as exc:
        raise launch_failed(str(exc)) from exc
    process = TaskProcess.start(
        command, attempt.directory, {**attempt.environment, **packages}, append=attempt.continues
    )
    try:
        return await process.wait()
    except asyncio.CancelledError:
        await asyncio.shield(process.kill())
        raise


async def make_directory(directory: RunDirectory) -> None:
    """Make the directory again, empty: a run never sees the files of an earlier one. Raises RunError."""
    if directory.root.exists():
        await asyncio.to_thread(directory.remove)
    try:
        directory.prepare()
    except OSError as exc:
        raise launch_failed(f"The task's directory cannot be made: {exc.strerror}") from exc
