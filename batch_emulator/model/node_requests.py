"""Requests on single nodes: what the bodies say."""

from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from batch_emulator.errors import invalid_property
from batch_emulator.model.schema import Reader, boolean, filled_text, one_of, record, short_text, text
from batch_emulator.values.documents import Document
from batch_emulator.values.states import DeallocationOption
from batch_emulator.values.timestamps import Clock, from_wire, to_wire

#: "If omitted, the default is 1 day from the current time" (SDK documentation of BatchNodeUserCreateOptions).
_USER_LIFETIME: Final = timedelta(days=1)


def time(name: str, value: object) -> str:
    """Read an ISO 8601 time. Raises InvalidPropertyValue."""
    try:
        return to_wire(from_wire(text(name, value)))
    except (ValueError, OverflowError) as exc:
        raise invalid_property(name, value, "A date and time in ISO 8601 is expected") from exc


def _container(name: str, value: object) -> str:
    """Read a container's URL. It may hold a SAS token, so it is never repeated."""
    try:
        parts = urlsplit(url := text(name, value))
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        valid = False
    if not valid:
        raise invalid_property(name, "", "An absolute http or https URL is expected")
    return url


def option_reader(name: str, *, waits_for_files: bool = True) -> Reader:
    """Return the reader of a body whose one property says what happens to the node's tasks."""
    allowed = [option for option in DeallocationOption if waits_for_files or option != DeallocationOption.RETAINED_DATA]
    shape = record({name: one_of(*allowed)})

    def read(path: str, value: object) -> DeallocationOption:
        return DeallocationOption(shape(path, value).get(name, DeallocationOption.REQUEUE))

    return read


_new_user = record(
    {
        "name": short_text(64),
        "isAdmin": boolean,
        "expiryTime": time,
        "password": text,
        "sshPublicKey": text,
    },
    frozenset({"name"}),
)
_user = record({"expiryTime": time, "password": text, "sshPublicKey": text})
_logs = record(
    {"containerUrl": _container, "startTime": time, "endTime": time},
    frozenset({"containerUrl", "startTime"}),
)


def read_new_user(body: Document, clock: Clock) -> tuple[str, bool, str]:
    """Return name, whether an administrator, and expiry. Password and key are checked and forgotten."""
    user: Document = _new_user("", body)
    return filled_text("name", user["name"]), user.get("isAdmin", False), _expiry(user, clock)


def read_user(body: Document, clock: Clock) -> str:
    """Return the expiry of a replaced user. Password and key are checked and forgotten."""
    return _expiry(_user("", body), clock)


def _expiry(user: Document, clock: Clock) -> str:
    return str(user.get("expiryTime") or to_wire(clock.now() + _USER_LIFETIME))


def check_log_upload(body: Document) -> None:
    """Check a request to upload logs. Raises InvalidPropertyValue or MissingRequiredProperty."""
    logs: Document = _logs("", body)
    if logs.get("endTime", logs["startTime"]) < logs["startTime"]:
        raise invalid_property("endTime", logs["endTime"], "The end lies before the start")
