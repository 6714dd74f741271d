"""One run of a task from an empty directory to an exit code."""

import asyncio
import signal
from dataclasses import dataclass, replace
from typing import Final

from batch_emulator.execution.command_line import split_command_line
from batch_emulator.execution.container_engine import ContainerEngine
from batch_emulator.execution.container_run import Command, Container, ContainerProcess
from batch_emulator.execution.directories import NodeDirectory, RunDirectory
from batch_emulator.execution.outcome import (
    Outcome,
    RunError,
    ended_by_time_limit,
    exit_failure,
    launch_failed,
    no_containers,
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
    #: What the command runs in; None: the node itself.
    container: Container | None = None
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
    engine = await _engine(attempt.container, transfers) if attempt.container else None
    packages = await transfers.packages.install(attempt.packages, attempt.node) if attempt.node else {}
    for entry in attempt.resource_files:
        await transfers.downloads.fetch(entry, attempt.directory.working)
    environment = {**attempt.environment, **packages}
    process: TaskProcess | ContainerProcess
    if attempt.container and engine:
        command = Command(line=attempt.command_line, directory=attempt.directory, environment=environment)
        process = await ContainerProcess.start(engine, attempt.container, command, append=attempt.continues)
    else:
        process = _start(attempt, environment)
    try:
        return await process.wait()
    except asyncio.CancelledError:
        await asyncio.shield(process.kill())
        raise


def _start(attempt: Attempt, environment: dict[str, str]) -> TaskProcess:
    try:
        command = split_command_line(attempt.command_line)
    except ValueError as exc:
        raise launch_failed(str(exc)) from exc
    return TaskProcess.start(command, attempt.directory, environment, append=attempt.continues)


async def _engine(container: Container, transfers: Transfers) -> ContainerEngine:
    if not container.is_offered:
        raise no_containers("The pool has no containerConfiguration")
    engine = await transfers.engines.find()
    if engine is None:
        raise no_containers("No docker or podman answers on the machine of the emulator")
    return engine


async def make_directory(directory: RunDirectory) -> None:
    """Make the directory again, empty: a run never sees the files of an earlier one. Raises RunError."""
    if directory.root.exists():
        await asyncio.to_thread(directory.remove)
    try:
        directory.prepare()
    except OSError as exc:
        raise launch_failed(f"The task's directory cannot be made: {exc.strerror}") from exc
