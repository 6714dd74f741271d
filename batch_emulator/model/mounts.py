"""The file systems that a pool's nodes would mount: kept and shown; an empty directory stands in for each of them."""

from typing import Final

from batch_emulator.errors import invalid_property
from batch_emulator.model.schema import filled_text, list_of, record, text
from batch_emulator.values.documents import Document
from batch_emulator.values.paths import is_inside

_PATH: Final = "relativeMountPath"

#: Each kind of mount, and what it must name (recordings; SDK documentation of MountConfiguration).
_KINDS: Final = {
    "azureBlobFileSystemConfiguration": ("accountName", "containerName", _PATH),
    "azureFileShareConfiguration": ("accountName", "azureFileUrl", "accountKey", _PATH),
    "cifsMountConfiguration": ("username", "source", _PATH, "password"),
    "nfsMountConfiguration": ("source", _PATH),
}


def _mount_path(name: str, value: object) -> str:
    if not is_inside(path := text(name, value)):
        raise invalid_property(name, path, "The path must stay inside the directory of mounts")
    return path


_mount = record(
    {
        kind: record(dict.fromkeys(needed, filled_text) | {_PATH: _mount_path}, frozenset(needed))
        for kind, needed in _KINDS.items()
    }
)


def _read(name: str, value: object) -> Document:
    mount: Document = _mount(name, value)
    kinds = [kind for kind in mount if kind in _KINDS]
    if len(kinds) != 1:
        raise invalid_property(name, ", ".join(kinds), f"Exactly one of {', '.join(_KINDS)} is expected")
    return mount


#: Reads `mountConfiguration`; its secrets are dropped elsewhere.
mount_configuration: Final = list_of(_read)


def mount_paths(pool: Document) -> list[str]:
    """Return where on a node, relative to the directory of mounts, file systems are to be."""
    mounts: list[Document] = pool.get("mountConfiguration", [])
    return [mount[kind][_PATH] for mount in mounts for kind in _KINDS if kind in mount]
