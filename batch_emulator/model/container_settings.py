"""The container in which a task runs."""

from typing import Final

from batch_emulator.model.schema import Reader, boolean, filled_text, list_of, one_of, record, text
from batch_emulator.values.documents import Document

#: Where a container's command starts if nothing else is said.
_IN_THE_TASKS: Final = "taskWorkingDirectory"

#: Directories of a node that a container may have in place of all (SDK: ContainerHostDataPath).
_DIRECTORIES: Final = ("Shared", "Startup", "VfsMounts", "Task", "JobPrep", "Applications")

_read: Final = record(
    {
        "imageName": filled_text,
        "containerRunOptions": text,
        "workingDirectory": one_of(_IN_THE_TASKS, "containerImageDefault"),
        "registry": record({"username": text, "password": text, "registryServer": text}),
        "containerHostBatchBindMounts": list_of(record({"source": one_of(*_DIRECTORIES), "isReadOnly": boolean})),
    },
    frozenset({"imageName"}),
)


def container_settings(name: str, value: object) -> Document:
    """Read a task's container settings; the registry's password is not kept.

    The default: recording of the real service (`should_create_a_task_with_container_settings`).
    """
    settings: Document = {"workingDirectory": _IN_THE_TASKS, **_read(name, value)}
    settings.get("registry", {}).pop("password", None)
    return settings


def runs_containers(pool: Document) -> bool:
    """Return whether the nodes of a pool, whose stored properties these are, run containers."""
    return "containerConfiguration" in pool.get("virtualMachineConfiguration", {})


def with_command(read: Reader) -> Reader:
    """Read a task whose command line is blank only where a container has a command of its own, its entry point.

    https://learn.microsoft.com/azure/batch/batch-docker-container-workloads
    """

    def read_checked(name: str, value: object) -> Document:
        task: Document = read(name, value)
        if "containerSettings" not in task:
            prefix = f"{name}." if name else ""
            filled_text(f"{prefix}commandLine", task["commandLine"])
        return task

    return read_checked
