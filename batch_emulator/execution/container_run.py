"""A task's command in a container: made, started, waited for and removed.

The node's directories and the task's variables are in the container. An empty command line leaves the image its entry
point, any other takes its place (https://learn.microsoft.com/azure/batch/batch-docker-container-workloads).
"""

import asyncio
import csv
import io
import json
import os
import shlex
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from uuid import uuid4

from batch_emulator.execution.command_line import split_command_line
from batch_emulator.execution.container_engine import ContainerEngine, EngineError, is_own, own_environment
from batch_emulator.execution.directories import NodeDirectory, RunDirectory
from batch_emulator.execution.environment import NODE_MARK, RUN_MARK, Place
from batch_emulator.execution.outcome import (
    container_image_failed,
    container_settings_invalid,
    launch_failed,
    program_not_found,
)
from batch_emulator.execution.process import TaskProcess
from batch_emulator.regular_files import open_to_read
from batch_emulator.values.documents import Document

#: Names the directory of an emulator's nodes, by which it recognises its containers after a crash.
_LABEL: Final = "batch-emulator"
#: How much of an engine's complaint is shown, in bytes.
_LONGEST_COMPLAINT: Final = 1000
#: When a container was started that never was.
_NEVER: Final = "0001-01-01"
#: What an engine says of a command that it cannot find, by the kernel's or the shell's words.
_NOT_FOUND: Final = ("no such file or directory", "executable file not found", "not found in $path")


@dataclass(frozen=True, kw_only=True)
class Container:
    """The settings of a task's container, as the REST API has them, and the node that it runs on."""

    settings: Document
    node: NodeDirectory
    #: Whether the pool says that its nodes run containers.
    is_offered: bool

    @property
    def image(self) -> str:
        return str(self.settings["imageName"])


@dataclass(frozen=True, kw_only=True)
class Command:
    """What is to run in a container, in which directory of the node, and what it sees."""

    line: str
    directory: RunDirectory
    environment: Mapping[str, str]


def container_of(task: Document, place: Place) -> Container | None:
    """Return the container of a task, whose stored properties these are, on a node; None: it has none."""
    if "containerSettings" not in task:
        return None
    return Container(settings=task["containerSettings"], node=place.directory, is_offered=place.runs_containers)


def label_of(nodes: Path) -> str:
    """Return what marks the containers of all nodes below a directory."""
    return f"{_LABEL}={nodes}"


class ContainerProcess:
    """A command that runs in a container. Its engine's command line is a process that passes on what it prints."""

    def __init__(self, engine: ContainerEngine, name: str, process: TaskProcess, directory: RunDirectory) -> None:
        self._engine = engine
        self._name = name
        self._process = process
        self._directory = directory
        self._has_ended = False

    @classmethod
    async def start(
        cls,
        engine: ContainerEngine,
        container: Container,
        command: Command,
        *,
        append: bool = False,
    ) -> Self:
        """Get the image if it is not there, make the container and start it. Raises RunError."""
        await _fetch(engine, container.image)
        name = f"batch-{uuid4().hex}"
        # Ended on its way, it might leave a container behind.
        creation = asyncio.ensure_future(_create(engine, container, name, command))
        try:
            await asyncio.shield(creation)
            marks = {mark: command.environment[mark] for mark in (NODE_MARK, RUN_MARK)}
            attached = [engine.program, "start", "--attach", name]
            process = TaskProcess.start(attached, command.directory, {**own_environment(), **marks}, append=append)
        except BaseException:
            await asyncio.wait([creation])
            await asyncio.shield(_remove(engine, name))
            raise
        return cls(engine, name, process, command.directory)

    async def wait(self) -> int:
        """Return the exit code, once the container is gone. Raises RunError if its command could not be started."""
        code = await self._process.wait()
        self._has_ended = True
        trouble = await self._trouble() if code else ""
        await _remove(self._engine, self._name)
        if any(words in trouble.lower() for words in _NOT_FOUND):
            raise program_not_found(trouble)
        if trouble:
            raise launch_failed(trouble)
        return code

    async def kill(self) -> None:
        """End the command and remove its container."""
        if not self._has_ended:
            await self._process.kill()
        await _remove(self._engine, self._name)

    async def _trouble(self) -> str:
        """Return why the engine could not start the command; empty if it ran, or if the engine does not say."""
        try:
            state = json.loads(await self._engine.call(["inspect", "--format", "{{json .State}}", self._name]))
            if not state["StartedAt"].startswith(_NEVER):
                return ""
            error = str(state["Error"])
        except (EngineError, OSError, ValueError, LookupError, TypeError, AttributeError):
            return ""
        # Podman says it on standard error alone.
        return error or await asyncio.to_thread(_last_line, self._directory.stderr)


async def _fetch(engine: ContainerEngine, image: str) -> None:
    try:
        await engine.call(["image", "inspect", "--format", "{{.Id}}", "--", image])
    except EngineError:
        try:
            await engine.call(["pull", "--quiet", "--", image])
        except EngineError as exc:
            raise container_image_failed(image, str(exc)) from exc
    except (OSError, ValueError) as exc:
        raise launch_failed(str(exc)) from exc


async def _create(engine: ContainerEngine, container: Container, name: str, command: Command) -> None:
    try:
        with _environment_file(command.environment) as file:
            options = ["--name", name, "--env-file", str(file)]
            if os.getuid() and not engine.is_rootless:
                # Root's files could not be removed with the task.
                options += ["--user", f"{os.getuid()}:{os.getgid()}"]
            arguments = ["create", *options, *create_arguments(container, command)]
            passed = {variable: value for variable, value in command.environment.items() if not is_own(variable)}
            await engine.call(arguments, passed)
    except (EngineError, ValueError) as exc:
        raise container_settings_invalid(str(exc)) from exc
    except OSError as exc:
        raise launch_failed(str(exc)) from exc


async def _remove(engine: ContainerEngine, name: str) -> None:
    """Remove a container, whatever it does; one that is gone does not matter."""
    try:
        await engine.call(["rm", "--force", "--volumes", name])
    except (EngineError, OSError):
        return


def create_arguments(container: Container, command: Command) -> list[str]:
    """Return the arguments with which an engine makes the container, after its name. Raises ValueError.

    They show no value of a variable: every user of the machine can read them.
    """
    words = split_command_line(command.line) if command.line.strip() else []
    arguments = ["--label", label_of(container.node.root.parent)]
    for path, is_read_only in _mounted(container, command):
        arguments += ["--mount", _mount(path, is_read_only)]
    if container.settings["workingDirectory"] == "taskWorkingDirectory":
        arguments += ["--workdir", str(command.directory.working)]
    for variable in command.environment:
        if not is_own(variable):
            arguments += ["--env", variable]
    arguments += shlex.split(container.settings.get("containerRunOptions", ""))
    if words:
        arguments += ["--entrypoint", words[0]]
    # What an image is called must not be read as an option.
    return [*arguments, "--", container.image, *words[1:]]


def _mounted(container: Container, command: Command) -> list[tuple[Path, bool]]:
    """Return the directories of the node that the container sees, and whether it may only read them.

    These are all of them, unless the settings name some.
    """
    node, named = container.node, container.settings.get("containerHostBatchBindMounts")
    if named is None:
        return [(node.root, False)]
    places = {
        "Shared": node.shared,
        "Startup": node.startup,
        "VfsMounts": node.mounts,
        "Task": command.directory.root,
        "JobPrep": Path(command.environment.get("AZ_BATCH_JOB_PREP_DIR", command.directory.root)),
        "Applications": node.applications,
    }
    return [(places[entry["source"]], entry.get("isReadOnly", False)) for entry in named if "source" in entry]


def _mount(path: Path, is_read_only: bool) -> str:
    """Return an option that mounts a directory under its own name, which may hold commas and quotes."""
    text = io.StringIO()
    fields = ["type=bind", f"source={path}", f"target={path}", *(["readonly"] if is_read_only else [])]
    csv.writer(text, lineterminator="").writerow(fields)
    return text.getvalue()


@contextmanager
def _environment_file(environment: Mapping[str, str]) -> Iterator[Path]:
    """Write the task's variables that the engine would read itself into a file that only this user can read.

    Raises ValueError for a value that such a file cannot hold.
    """
    lines = [f"{variable}={value}" for variable, value in environment.items() if is_own(variable)]
    if broken := next((line.partition("=")[0] for line in lines if len(line.splitlines()) != 1), None):
        raise ValueError(f"the variable {broken} of a container has more than one line")
    with tempfile.NamedTemporaryFile("w", prefix="batch-emulator-", suffix=".env") as file:
        file.write("\n".join(lines))
        file.flush()
        yield Path(file.name)


def _last_line(file: Path) -> str:
    """Return the last line of what a command, or its engine, wrote to standard error."""
    try:
        with open_to_read(file) as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - _LONGEST_COMPLAINT))
            lines = stream.read().decode(errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return lines[-1] if lines else "the engine does not say why"


def seen_within(container: Container | None, node: dict[str, str]) -> dict[str, str]:
    """Return what a task sees of its node's variables: in a container, its image says where programs and homes are."""
    if container is None:
        return node
    return {name: value for name, value in node.items() if name not in {"PATH", "HOME", "LANG"}}
