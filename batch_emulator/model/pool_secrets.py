"""What a pool's definition must not keep: passwords and protected settings, which the service never shows."""

from collections.abc import Iterable
from typing import Any

from batch_emulator.values.documents import Document


def without_secrets(pool: Document) -> Document:
    """Return a pool's properties with every secret taken out that the service takes, but never returns."""
    machine = pool.get("virtualMachineConfiguration", {})
    _drop(pool.get("userAccounts"), "password")
    for account in _objects(pool.get("userAccounts")):
        _drop([account.get("linuxUserConfiguration")], "sshPrivateKey")
    _drop(machine.get("extensions"), "protectedSettings")
    containers = machine.get("containerConfiguration")
    if isinstance(containers, dict):
        _drop(containers.get("containerRegistries"), "password")
    for mount in _objects(pool.get("mountConfiguration")):
        for key in ("accountKey", "sasKey", "password"):
            _drop(list(mount.values()), key)
    return pool


def _drop(entries: object, key: str) -> None:
    for entry in _objects(entries):
        entry.pop(key, None)


def _objects(entries: object) -> Iterable[dict[str, Any]]:
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
