"""As whom a task runs: kept and shown. Here everything runs as the user who started the emulator."""

from typing import Final

from batch_emulator.errors import invalid_property
from batch_emulator.model.schema import filled_text, one_of, record
from batch_emulator.values.documents import Document

#: As whom a task runs where nothing else is said (recording of the real service).
DEFAULT_USER: Final = {"autoUser": {"scope": "pool", "elevationLevel": "nonadmin"}}

_identity = record(
    {
        "username": filled_text,
        "autoUser": record({"scope": one_of("task", "pool"), "elevationLevel": one_of("nonadmin", "admin")}),
    }
)


def user_identity(name: str, value: object) -> Document:
    """Read `userIdentity`; user name and automatic user are "mutually exclusive" (SDK model UserIdentity)."""
    identity: Document = _identity(name, value)
    if "username" in identity and "autoUser" in identity:
        raise invalid_property(name, identity["username"], "A user name or an automatic user is expected, not both")
    return identity
