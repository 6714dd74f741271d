"""Checks bearer tokens, as far as an emulator can: their shape, audience and time, **not their signature**.

Anybody can write such a token. It lets code with a TokenCredential run; it keeps nobody out.

Status, code and text of the refusal for a wrong audience: a reply of the real service, quoted in
https://github.com/AzureAD/microsoft-authentication-library-for-js/issues/1735
"""

import binascii
import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from batch_emulator.errors import BatchError, ErrorCode

#: What the client's scope `https://batch.core.windows.net//.default` asks for.
AUDIENCE: Final = "https://batch.core.windows.net/"

#: How far clocks may be apart, in seconds.
_LEEWAY: Final = 300


def check_token(token: str, audiences: Sequence[str] = (AUDIENCE,)) -> None:
    """Raise AuthenticationFailed (401) unless the token looks like one for the Batch service that is valid now.

    `audiences` are those of another service; each counts with its last slash and without it.
    """
    claims = _claims(token)
    _check_audience(claims.get("aud"), audiences)
    now = time.time()
    # Asked in this way, because JSON in Python knows NaN, which is neither.
    if not _seconds(claims, "exp") > now - _LEEWAY:
        raise _refused("The access token has expired.")
    if "nbf" in claims and not _seconds(claims, "nbf") < now + _LEEWAY:
        raise _refused("The access token is not valid yet.")


def _check_audience(audience: object, allowed: Sequence[str]) -> None:
    given = audience if isinstance(audience, list) else [audience]
    if not any(f"{each.removesuffix('/')}/" in allowed for each in given if isinstance(each, str)):
        shown = str(audience)[:256]
        raise _refused(
            f"The access token has been obtained from wrong audience or resource '{shown}'. It should "
            f"exactly match (including forward slash) with one of the allowed audiences '{"', '".join(allowed)}'"
        )


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _refused(f"The access token has no number as its claim {name!r}.")
    return value


@lru_cache(maxsize=64)
def _claims(token: str) -> Mapping[str, Any]:
    """Return the claims; a client sends the same token again and again, hence the cache."""
    parts = token.split(".")
    if len(parts) != 3 or not parts[2]:
        raise _refused("The access token is not a JSON Web Token: three parts with dots between them are expected.")
    header, claims = (_json(part) for part in parts[:2])
    if "alg" not in header:
        raise _refused("The access token is not a JSON Web Token: its header names no algorithm.")
    return claims


def _json(part: str) -> dict[str, Any]:
    try:
        value = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError, RecursionError) as exc:
        raise _refused("The access token is not a JSON Web Token: a part is not JSON in base64.") from exc
    if not isinstance(value, dict):
        raise _refused("The access token is not a JSON Web Token: a part is not a JSON object.")
    return value


def _refused(detail: str) -> BatchError:
    return BatchError(ErrorCode.TOKEN_REFUSED, AuthenticationErrorDetail=detail)
