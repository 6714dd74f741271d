"""The text of `routes.toml` becomes a document of TOML; what keeps it from being one is a problem."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from batch_core.config.tables import shown_name
from batch_core.errors import RoutesError
from batch_core.redaction import redacted

#: A file is read whole.
MAX_FILE_SIZE: Final = 1_000_000
#: The numbers that TOML promises, and readers for editors take: https://toml.io/en/v1.0.0#integer.
_BITS: Final = 64
_LARGEST: Final = 2 ** (_BITS - 1)
_PLACE: Final = re.compile(r"\(at line ([0-9]+), column [0-9]+\)")
_HEADER: Final = re.compile(r"\s*\[+\s*(routes|pools)\b")
_REMEDIES: Final = {
    "routes": "each route begins with [[routes]], two brackets",
    "pools": "each pool begins with [pools.ID], one bracket, and once",
}


def read_document(file: Path) -> dict[str, Any]:
    """Return what the file says; raises `RoutesError` where it cannot be read or is not TOML in UTF-8."""
    text = _text(file)
    try:
        document = tomllib.loads(text)
    except RecursionError as exc:
        raise RoutesError([f"{file.name} is not valid: it is nested too deeply"]) from exc
    # Beside TOMLDecodeError: a number of thousands of digits.
    except ValueError as exc:
        raise RoutesError([f"{file.name} is not TOML: {redacted(str(exc))}{_remedy(text, str(exc))}"]) from exc
    if (name := _too_large(document)) is not None:
        raise RoutesError([f"{file.name} is not TOML: {shown_name(name)} has a number of more than {_BITS} bits"])
    return document


def _text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_FILE_SIZE + 1)
        if len(content) > MAX_FILE_SIZE:
            raise RoutesError([f"{file.name} is larger than {MAX_FILE_SIZE:,} bytes"])
        # Editors on Windows may begin a file with a byte order mark.
        return content.decode("utf-8-sig")
    except OSError as exc:
        raise RoutesError([f"{file.name} cannot be read: {exc.strerror}"]) from exc
    except UnicodeDecodeError as exc:
        raise RoutesError([f"{file.name} is not UTF-8: save it in this encoding"]) from exc


def _remedy(text: str, error: str) -> str:
    """Return how routes or pools begin, where the line that TOML does not take is the header of one; else nothing."""
    place = _PLACE.search(error)
    lines = text.replace("\r\n", "\n").split("\n")
    header = _HEADER.match(lines[int(place[1]) - 1]) if place else None
    return f": {_REMEDIES[header[1]]}" if header else ""


def _too_large(document: Mapping[str, object]) -> str | None:
    """Return the name beside a number that TOML does not have, and that Python would refuse to print; else None."""
    left: list[tuple[str, object]] = list(document.items())
    while left:
        name, value = left.pop()
        if isinstance(value, dict):
            left += value.items()
        elif isinstance(value, list):
            left += [(name, item) for item in value]
        elif isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
            return name
    return None
