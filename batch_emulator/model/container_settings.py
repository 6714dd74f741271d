"""The container in which a task would run: kept and shown; nodes here have no container runtime."""

from typing import Final

from batch_emulator.model.schema import Document, filled_text, list_of, one_of, record, text

_read: Final = record(
    {
        "imageName": filled_text,
        "containerRunOptions": text,
        "workingDirectory": one_of("taskWorkingDirectory", "containerImageDefault"),
        "registry": record({"username": text, "password": text, "registryServer": text}),
        "containerHostBatchBindMounts": list_of(record({"source": text})),
    },
    frozenset({"imageName"}),
)


def container_settings(name: str, value: object) -> Document:
    """Read a task's container settings; the registry's password is not kept."""
    settings: Document = _read(name, value)
    settings.get("registry", {}).pop("password", None)
    return settings
