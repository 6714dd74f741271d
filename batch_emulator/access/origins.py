"""Keeps web pages out: a browser on this machine reaches the emulator, whose default key everybody knows.

Two checks close that way on the whole API. The `Host` header must name this machine, or a name that the user
allowed: a page whose own name was made to lead to 127.0.0.1 (DNS rebinding) is of one origin with the emulator for the
browser, but still sends its own name. And what the browser says of the sender, `Origin` and `Sec-Fetch-Site`, must
not be another page. Programs send neither. No answer ever carries a header that would let other origins in.

https://fetch.spec.whatwg.org/#origin-header and https://www.w3.org/TR/fetch-metadata/
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

from aiohttp import web

from batch_emulator.errors import BatchError, ErrorCode

#: The policy of what is no page of the emulator's own, whatever a task wrote: a browser that shows it runs nothing,
#: loads nothing, and gives it an origin of its own, which is refused.
INERT: Final = "default-src 'none'; frame-ancestors 'none'; sandbox"

_NAME: Final = r"\[[0-9a-f:.]+\]|[a-z0-9._-]+"
_HOST: Final = re.compile(rf"({_NAME})(?::[0-9]{{1,5}})?", re.IGNORECASE | re.ASCII)
_ALLOWED: Final = re.compile(_NAME, re.IGNORECASE | re.ASCII)

#: The site is where the sender was loaded from: another port of this machine is of the same site, and another program.
_FOREIGN_SITES: Final = frozenset({"cross-site", "same-site"})


@dataclass(frozen=True, kw_only=True)
class Access:
    """Who may ask: `allowed` are the names, apart from those of this machine, by which the emulator is reached."""

    allowed: frozenset[str]

    def check(self, request: web.BaseRequest) -> None:
        """Raise HostNotAllowed or OriginNotAllowed for what a page may have sent, InvalidHeaderValue without Host."""
        name = requested_name(request)
        if not (is_loopback(name) or name in self.allowed):
            raise BatchError(ErrorCode.HOST_NOT_ALLOWED, Host=request.headers["Host"][:256])
        if (origin := foreign_origin(request)) is not None:
            raise BatchError(ErrorCode.ORIGIN_NOT_ALLOWED, Origin=origin[:256])
        if (site := request.headers.get("Sec-Fetch-Site", "").lower()) in _FOREIGN_SITES:
            raise BatchError(ErrorCode.ORIGIN_NOT_ALLOWED, Reason=f"The browser says that it is {site}")


def foreign_origin(request: web.BaseRequest) -> str | None:
    """Return an origin that the request names and that is not its own: another scheme, name or port than it came to.

    `null` is the origin of a document that has none, such as one in a sandbox: it is never the emulator's own.
    """
    own = f"{request.scheme}://{request.host}".lower()
    given = request.headers.getall("Origin", ())
    return next((origin for origin in given if origin.lower() != own), None)


def read_allowed(names: Iterable[str]) -> frozenset[str]:
    """Return names or addresses as they are compared. Raises ValueError for a URL, a port or a wildcard."""
    for name in names:
        if not _ALLOWED.fullmatch(name if ":" not in name else f"[{name.strip('[]')}]"):
            raise ValueError(f"{name!r} cannot be an allowed host: give a name or an address, without http:// and port")
    return frozenset(map(plain_name, names))


@lru_cache(maxsize=64)
def is_loopback(name: str) -> bool:
    """Return whether a plain name always means this machine (RFC 6761, section 6.3: localhost and what is below it).

    It depends on the name alone, and clients send few: hence the cache.
    """
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def requested_name(request: web.BaseRequest) -> str:
    """Return the plain name by which a request reached the emulator. Raises InvalidHeaderValue."""
    given = request.headers.getall("Host", [])
    if len(given) != 1:
        reason = "One Host header is expected"
        raise BatchError(ErrorCode.INVALID_HEADER_VALUE, HeaderName="Host", Reason=reason)
    return _name_in(given[0])


@lru_cache(maxsize=64)
def _name_in(host: str) -> str:
    """Return the name in a Host header, plain. Raises InvalidHeaderValue."""
    if not (found := _HOST.fullmatch(host)):
        reason = "A name or an address is expected, and perhaps a port"
        raise BatchError(ErrorCode.INVALID_HEADER_VALUE, HeaderName="Host", HeaderValue=host[:256], Reason=reason)
    return plain_name(found[1])


def plain_name(name: str) -> str:
    """Return a name or address as names are compared: without brackets, case and last dot."""
    return name.strip("[]").lower().removesuffix(".")
