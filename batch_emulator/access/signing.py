"""Checks the SharedKey signature of a request.

https://learn.microsoft.com/rest/api/batchservice/authenticate-requests-to-the-azure-batch-service
"""

import binascii
import hmac
import re
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Final
from urllib.parse import quote, unquote

from batch_emulator.errors import BatchError, ErrorCode
from batch_emulator.values.timestamps import from_http_date

#: How far the client's clock may be off, in seconds.
MAX_AGE: Final = 15 * 60

_ACCOUNT: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SIGNED_HEADERS: Final = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)
_CONTENT_LENGTH: Final = _SIGNED_HEADERS.index("content-length")
#: What SHA-256 takes at a time, in bytes.
_BLOCK: Final = 64
_BODILESS: Final = frozenset({"GET", "HEAD"})


class SharedKey:
    """An account's name and key."""

    def __init__(self, account: str, key: str) -> None:
        """Raise ValueError if the key is not base64, or the account has a name that headers and URLs cannot hold."""
        if not _ACCOUNT.fullmatch(account):
            raise ValueError(f"{account!r} cannot be an account's name: letters, digits, '.', '-' and '_' are")
        self.account = account
        try:
            secret = b64decode(key, validate=True)
        except (binascii.Error, ValueError) as exc:
            raise ValueError("The account key is not base64") from exc
        if not secret:
            raise ValueError("The account key is empty")
        self._hmac = _Hmac(secret)

    def verify(self, method: str, raw_path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> None:
        """Raise AuthenticationFailed unless the request is signed with the key, and fresh.

        `raw_path` is the path as it came, still percent-encoded. Some clients sign a path in
        which `:`, `=` and `&` are encoded and send one in which they are not: both count.
        So do both lengths of a request without body and without Content-Length: "0", as the Python
        clients sign it, and none, as @azure/batch signs DELETE.
        """
        # Names of headers have no case; a plain dict is much quicker than the server's own.
        sent = {name.lower(): value for name, value in headers.items() if value}
        if len(sent) < len(headers):
            _check_unambiguous(headers)
        given = self._signature(sent.get("authorization", ""))
        _check_age(sent.get("ocp-date") or sent.get("date", ""))
        for signed in self._strings_to_sign(method, raw_path, query, sent):
            if hmac.compare_digest(self._sign(signed), given):
                return
        raise _refused(
            "The signature does not match. Check the account key, and that method, path, query and "
            "headers are signed as they are sent."
        )

    def _strings_to_sign(
        self, method: str, raw_path: str, query: Mapping[str, str], sent: Mapping[str, str]
    ) -> Iterator[str]:
        """Yield what may be signed, the usual first: most requests need no other."""
        heads, tail = _signed_heads(method, sent), _signed_query(query)
        for path in (raw_path, None):
            signed_path = path or _fully_encoded(raw_path)
            for head in heads:
                yield f"{head}\n/{self.account}{signed_path}{tail}"

    def _sign(self, message: str) -> bytes:
        return b64encode(self._hmac.digest(message.encode(errors="surrogateescape")))

    def _signature(self, authorization: str) -> bytes:
        scheme, _, credential = authorization.partition(" ")
        if scheme != "SharedKey":
            raise _scheme_refused(scheme)
        account, _, signature = credential.partition(":")
        if account != self.account:
            raise _refused(f"This emulator has the account {self.account!r} only.")
        return signature.encode(errors="surrogatepass")


class _Hmac:
    """HMAC with SHA-256 (RFC 2104, section 4): the key is hashed once, and not for each request.

    Copying the two hashes takes half as long as copying the keyed hash of `hmac`.
    """

    def __init__(self, key: bytes) -> None:
        block = (sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
        self._inner = sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = sha256(bytes(byte ^ 0x5C for byte in block))

    def digest(self, message: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()


def _check_unambiguous(headers: Mapping[str, str]) -> None:
    """Refuse a signed header that occurs twice: which one was signed is unknown."""
    # Iterating over the headers themselves would name each once.
    names = [name.lower() for name, _ in headers.items()]
    for name in {*_SIGNED_HEADERS, "authorization", *[name for name in names if "ocp-" in name]}:
        if names.count(name) > 1:
            raise _refused(f"The header {name!r} occurs twice.")


def _signed_heads(method: str, sent: Mapping[str, str]) -> list[str]:
    """Return what may be signed before the account: the method and the headers."""
    values = [sent.get(name, "") for name in _SIGNED_HEADERS]
    ocp = [f"{name}:{sent[name]}" for name in sorted([name for name in sent if "ocp-" in name])]
    as_sent = "\n".join([method, *values, *ocp])
    if method in _BODILESS or values[_CONTENT_LENGTH]:
        return [as_sent]
    values[_CONTENT_LENGTH] = "0"
    return ["\n".join([method, *values, *ocp]), as_sent]


def _signed_query(query: Mapping[str, str]) -> str:
    return "".join([f"\n{name}:{query[name]}" for name in sorted(query)])


def _fully_encoded(raw_path: str) -> str:
    return "/".join(quote(unquote(segment), safe="") for segment in raw_path.split("/"))


def _check_age(date: str) -> None:
    if not date:
        raise _refused("The request has no ocp-date header.")
    moment = _parse_date(date)
    if moment is None:
        raise _refused(f"The date {date[:64]!r} is not in the format of RFC 1123.")
    if abs(time.time() - moment) > MAX_AGE:
        raise _refused(f"The date {date!r} is more than 15 minutes off this machine's clock.")


@lru_cache(maxsize=128)
def _parse_date(date: str) -> float | None:
    """Read an HTTP date, as a Unix time; requests of one second share it, hence the cache."""
    try:
        return from_http_date(date).timestamp()
    except ValueError:
        return None


def _scheme_refused(scheme: str) -> BatchError:
    if not scheme:
        return _refused("The request has no Authorization header.")
    if scheme.lower() == "bearer":
        return _refused("Bearer tokens are taken over HTTPS only: start the emulator with --cert and --key-file.")
    return _refused(f"The scheme {scheme[:32]!r} is not offered; SharedKey is.")


def _refused(detail: str) -> BatchError:
    return BatchError(ErrorCode.AUTHENTICATION_FAILED, AuthenticationErrorDetail=detail)
