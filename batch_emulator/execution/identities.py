"""Finds the URL that gives a node access where a task names an identity or the auto-storage account."""

from typing import Final

from batch_emulator.execution.storage_account import StorageAccount
from batch_emulator.values.documents import Document

_START_IT: Final = "start it with --storage CONNECTION_STRING or BATCH_EMULATOR_STORAGE"


class NoAccessError(Exception):
    """The emulator has no account that it could use for an identity; the message says what to do."""


def accessible(url: str, entry: Document, account: StorageAccount | None) -> str:
    """Return the URL, signed where the entry names an identity. Raises NoAccessError."""
    if "identityReference" not in entry:
        return url
    if account is None:
        raise NoAccessError(f"The Batch emulator has no storage account for identities: {_START_IT}")
    if not account.holds(url):
        raise NoAccessError(f"The Batch emulator plays identities for {account.endpoint} only")
    return account.signed(url)


def auto_storage_url(container: str, account: StorageAccount | None) -> str:
    """Return the URL of a container of the auto-storage account. Raises NoAccessError."""
    if account is None:
        raise NoAccessError(f"The Batch emulator has no auto-storage account: {_START_IT}")
    return account.signed(account.container_url(container))
