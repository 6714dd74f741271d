"""Who a request comes from: by its SharedKey signature or, over HTTPS, by a bearer token."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from batch_emulator.access.bearer import check_token
from batch_emulator.access.signing import SharedKey

_BEARER: Final = "bearer "


@dataclass(frozen=True, kw_only=True)
class Authentication:
    """`takes_tokens` where the emulator serves HTTPS: tokens must not travel in the clear."""

    key: SharedKey
    takes_tokens: bool

    def check(self, request: web.BaseRequest, path: str, query: Mapping[str, str]) -> None:
        """Raise AuthenticationFailed unless the request is signed, or has a token that may be one."""
        if self.takes_tokens and (token := bearer_token(request)):
            check_token(token)
        else:
            self.check_signature(request, path, query)

    def check_signature(self, request: web.BaseRequest, path: str, query: Mapping[str, str]) -> None:
        """Raise AuthenticationFailed unless the request is signed with the account's key."""
        self.key.verify(request.method, path, query, request.headers)


def bearer_token(request: web.BaseRequest) -> str:
    """Return the request's bearer token, empty if it has none."""
    authorization = request.headers.get("Authorization", "")
    return authorization[len(_BEARER) :].strip() if authorization[: len(_BEARER)].lower() == _BEARER else ""
