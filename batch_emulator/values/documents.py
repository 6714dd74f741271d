"""JSON objects as they travel and as they are stored."""

import json
import math
from typing import Any, Final

from msgspec.json import Encoder

#: A JSON object: keys are property names, values what JSON has.
type Document = dict[str, Any]


def _finite(digits: str) -> float:
    """Read a number; one that is too large would become an infinity, which JSON does not have."""
    if math.isinf(number := float(digits)):
        raise ValueError(f"the number {digits[:32]} is too large")
    return number


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is not a number")


_DECODER: Final = json.JSONDecoder(parse_float=_finite, parse_constant=_no_number)
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), check_circular=False)
#: It refuses half a surrogate pair, which the other one writes as JSON can, and escapes nothing beyond ASCII.
_PLAIN_ENCODER: Final = Encoder()


def from_json(text: str) -> object:
    """Return the value of a JSON text. Raises ValueError, also for NaN and infinities, and RecursionError."""
    return _DECODER.decode(text)


def stored(document: str) -> Document:
    """Decode a document of the store: faster than `json.loads`, as it was encoded here, without surrounding blanks."""
    decoded: Document = _DECODER.raw_decode(document)[0]
    return decoded


def to_json(value: object) -> str:
    """Return the shortest JSON of a value without cycles."""
    return _ENCODER.encode(value)


def plain_to_json(value: object) -> str:
    """Return the same, in a fifth of the time, for what holds nothing but ASCII."""
    return _PLAIN_ENCODER.encode(value).decode()


def joined(first: str, second: str) -> str:
    """Return the JSON object that has the properties of two, which share none; the first is not empty."""
    return f"{first[:-1]},{second[1:]}" if second != "{}" else first
