"""Keeps web pages away from the host: a browser on this machine reaches it, and it asks for no key.

A page of any site could otherwise start functions by a posted form, and one whose name was made to lead to 127.0.0.1
(DNS rebinding) could read the answers. So the `Host` must name this machine, or a name that the user allowed, and what
the browser says of the sender (`Origin`, `Sec-Fetch-Site`) must not be another page. Programs send neither.

https://fetch.spec.whatwg.org/#origin-header and https://www.w3.org/TR/fetch-metadata/
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from batch_core.config.service_url import is_loopback
from local.host.errors import HostError
from local.ports import LAST_PORT

_NAME: Final = r"\[[0-9a-f:.]+\]|[a-z0-9._-]+"
_HOST: Final = re.compile(rf"({_NAME})(?::([0-9]{{1,5}}))?", re.IGNORECASE | re.ASCII)
_ALLOWED: Final = re.compile(_NAME, re.IGNORECASE | re.ASCII)

# Another port of this machine is of the same site, and another program.
_FOREIGN_SITES: Final = frozenset({"cross-site", "same-site"})


@dataclass(frozen=True, kw_only=True)
class Access:
    """Who may ask; `allowed` are names of the host apart from those that always mean this machine."""

    allowed: frozenset[str] = frozenset()

    @classmethod
    def by_names(cls, names: Iterable[str]) -> "Access":
        """Read names or addresses; raise HostError for a URL, a port or a wildcard."""
        names = list(names)
        for name in names:
            if not _ALLOWED.fullmatch(f"[{name.strip('[]')}]" if ":" in name else name):
                raise HostError(
                    f"{name!r} cannot be an allowed host: give a name or an address, without http:// and port"
                )
        return cls(allowed=frozenset(map(_plain, names)))

    def guard(self) -> Middleware:
        """Return the middleware that answers 400 and 403 in place of the host and its functions."""

        @web.middleware
        async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
            refusal = self._refusal(request)
            return await handler(request) if refusal is None else _answer(*refusal)

        return answer

    def _refusal(self, request: web.BaseRequest) -> tuple[HTTPStatus, str] | None:
        hosts = request.headers.getall("Host", [])
        found = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
        if found is None or int(found[2] or 0) > LAST_PORT:
            return HTTPStatus.BAD_REQUEST, "One Host header is expected that holds a name or an address."
        name = _plain(found[1])
        if not (is_loopback(name) or name in self.allowed):
            return HTTPStatus.FORBIDDEN, (
                f"The Host {hosts[0][:256]!r} names neither this machine nor a name that was allowed. If it is yours,"
                " start the host with --allow-host NAME (or set FUNCTIONS_HOST_ALLOW_HOSTS); if it is not, a web page"
                " may have tried to reach it."
            )
        if _is_foreign(request, f"{request.scheme}://{hosts[0]}"):
            return HTTPStatus.FORBIDDEN, "The request comes from a web page of another origin: it is not answered."
        return None


def _is_foreign(request: web.BaseRequest, own: str) -> bool:
    origins = request.headers.getall("Origin", [])
    is_foreign_site = request.headers.get("Sec-Fetch-Site", "").lower() in _FOREIGN_SITES
    return is_foreign_site or any(origin.lower() != own.lower() for origin in origins)


def _answer(status: HTTPStatus, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)


def _plain(name: str) -> str:
    return name.strip("[]").lower().removesuffix(".")
