"""Which part of an output a request asks for: `Range`, or the parameter `tail`; and which page of a list."""

import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from batch_core.errors import InvalidRequest
from batch_core.services.output_values import Extent

#: Of a number of bytes, in digits: no file of the services has more.
_NUMBER: Final = r"\d{1,18}"
_RANGE: Final = re.compile(rf"(?:({_NUMBER})-({_NUMBER})?|-({_NUMBER}))", re.ASCII)
_LONGEST_CONTINUATION: Final = 8192
#: Of Base64, in the place of those that mean something in a URL.
_LETTERS: Final = b"-_"


@dataclass(frozen=True, kw_only=True)
class OutputRequest:
    """Which bytes are asked for; `is_ranged` says whether by `Range`, which has replies of its own."""

    extent: Extent
    is_ranged: bool = False

    @classmethod
    def parse(cls, headers: Mapping[str, str], parameters: Mapping[str, str]) -> "OutputRequest":
        """Read the header and the parameter; raises `InvalidRequest`.

        A `Range` of another unit than bytes counts for nothing, nor does one with `If-Range`: a server may always
        leave it aside (https://www.rfc-editor.org/rfc/rfc9110#section-14.2).
        """
        asked, tail = headers.get("range"), parameters.get("tail")
        unit, _, spec = (asked or "").partition("=")
        is_ranged = unit.strip().lower() == "bytes" and not headers.get("if-range")
        if tail is not None:
            if asked is not None:
                raise InvalidRequest(["'tail' and a Range header are two answers to one question: send one of them"])
            return cls(extent=_tail(tail))
        return cls(extent=_range(spec.strip()), is_ranged=True) if is_ranged else cls(extent=Extent())


def continuation_of(parameters: Mapping[str, str]) -> str | None:
    """Return where the page that is asked for begins, as the container said it; raises `InvalidRequest`."""
    text = parameters.get("continuation")
    if not text:
        return None
    if len(text) <= _LONGEST_CONTINUATION:
        with suppress(ValueError):
            return b64decode(text, altchars=_LETTERS, validate=True).decode()
    raise InvalidRequest(["'continuation' is none that a list gave"])


def opaque(continuation: str) -> str:
    """Return a continuation as it is handed out: letters that need no quoting in a URL."""
    return b64encode(continuation.encode(), altchars=_LETTERS).decode()


def _tail(text: str) -> Extent:
    if not re.fullmatch(_NUMBER, text, re.ASCII) or int(text) == 0:
        raise InvalidRequest([f"'tail' is {text[:100]!r}: it must be a number of bytes, 1 or more"])
    return Extent(start=None, length=int(text))


def _range(spec: str) -> Extent:
    found = _RANGE.fullmatch(spec)
    first, last, suffix = found.groups() if found else (None, None, None)
    if suffix and int(suffix):
        return Extent(start=None, length=int(suffix))
    if first and int(first) <= int(last or first):
        return Extent(start=int(first), length=int(last) - int(first) + 1 if last else None)
    raise InvalidRequest([f"the Range {spec[:100]!r} cannot be read: send one bytes=a-b, bytes=a- or bytes=-n"])
