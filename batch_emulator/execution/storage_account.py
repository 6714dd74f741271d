"""The Storage account for which the emulator plays identities and auto-storage.

Where the service would use a managed identity of the pool, or the account's auto-storage, the emulator
appends a shared access signature of its own making to the URL. Beyond this module such a URL is like any
that a client signed, so every transfer has one code path.
"""

import hmac
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Self
from urllib.parse import parse_qs, quote, urlencode, urlsplit

#: The version of the signature's format.
_VERSION: Final = "2021-12-02"

#: How long a signature holds: longer than any one transfer.
_LIFETIME: Final = timedelta(days=1)

#: For clocks that differ.
_EARLIER: Final = timedelta(minutes=15)

#: What "UseDevelopmentStorage=true" means, key included: the same everywhere, and public.
#: https://learn.microsoft.com/azure/storage/common/storage-connect-azurite
_AZURITE: Final = (
    "AccountName=devstoreaccount1;"
    "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;"
    "BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;"
)


@dataclass(frozen=True, kw_only=True)
class StorageAccount:
    """An account with its key; `endpoint` is its Blob service's URL without the last slash."""

    name: str
    endpoint: str
    key: bytes = field(repr=False)

    @classmethod
    def parse(cls, connection_string: str) -> Self:
        """Read a connection string. Raises ValueError, whose message does not repeat it.

        https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string
        """
        parts = _parts(connection_string)
        if parts.get("UseDevelopmentStorage", "").lower() == "true":
            proxy = parts.get("DevelopmentStorageProxyUri", "http://127.0.0.1").rstrip("/")
            parts = _parts(_AZURITE.replace("http://127.0.0.1", proxy))
        name, key = parts.get("AccountName"), parts.get("AccountKey")
        if not name or not key:
            raise ValueError("The storage connection string needs AccountName and AccountKey")
        try:
            return cls(name=name, endpoint=_endpoint(name, parts), key=b64decode(key, validate=True))
        except Base64Error as exc:
            raise ValueError("The AccountKey of the storage connection string is not base64") from exc

    def container_url(self, container: str) -> str:
        return f"{self.endpoint}/{quote(container)}"

    def holds(self, url: str) -> bool:
        """Return whether a URL is one of this account's: no other server ever sees a signature."""
        own, other = urlsplit(self.endpoint), urlsplit(url)
        same_server = (own.scheme, own.netloc.lower()) == (other.scheme, other.netloc.lower())
        return same_server and other.path.startswith(f"{own.path}/")

    def signed(self, url: str) -> str:
        """Return the URL with access to all blobs of the account for a day; a signed one as it is."""
        parts = urlsplit(url)
        if "sig" in parse_qs(parts.query):
            return url
        token = urlencode(self._signature(datetime.now(UTC)))
        return parts._replace(query=f"{parts.query}&{token}" if parts.query else token).geturl()

    def _signature(self, now: datetime) -> dict[str, str]:
        """Sign: https://learn.microsoft.com/rest/api/storageservices/create-account-sas ."""
        token = {
            "sp": "rwlc",
            "ss": "b",
            "srt": "co",
            "st": _seconds(now - _EARLIER),
            "se": _seconds(now + _LIFETIME),
            "sip": "",
            "spr": "https,http",
            "sv": _VERSION,
            "ses": "",
        }
        message = "".join(f"{line}\n" for line in (self.name, *token.values()))
        digest = hmac.digest(self.key, message.encode(), "sha256")
        return {**{name: value for name, value in token.items() if value}, "sig": b64encode(digest).decode()}


def _parts(connection_string: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in connection_string.split(";") if part.strip())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _endpoint(name: str, parts: dict[str, str]) -> str:
    given = parts.get("BlobEndpoint", "").rstrip("/")
    scheme = parts.get("DefaultEndpointsProtocol", "https")
    endpoint = given or f"{scheme}://{name}.blob.{parts.get('EndpointSuffix', 'core.windows.net')}"
    if urlsplit(endpoint).scheme not in {"http", "https"}:
        raise ValueError("The BlobEndpoint of the storage connection string is not an http or https URL")
    return endpoint


def _seconds(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
