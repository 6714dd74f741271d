"""URLs of services in settings: what can be called, and what may not be called with a key or a file."""

import ipaddress
import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

_LABEL: Final = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST_NAME: Final = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_STORAGE_HOST: Final = re.compile(r"[^.]+\.(blob|queue|table|file|dfs|web)\.(core|storage)\.")
_PAGES: Final = ("portal.azure.com", "management.azure.com", "ms.portal.azure.com", "login.microsoftonline.com")


def url_problem(
    url: str, *, service: str = "", is_http_allowed: bool = False, is_path_allowed: bool = False
) -> str | None:
    """Say what is wrong with a service's URL, as the rest of a sentence that begins with its name; None: nothing.

    `service` is blob, queue, table or batch. http is for this machine alone unless it is allowed.
    """
    if url.lower().startswith("/subscriptions/"):
        return "is the resource's ARM id: it must be the URL that its Overview page shows as endpoint"
    try:
        parts = urlsplit(url)
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        return "is no URL: its host or port cannot be read"
    if parts.scheme not in {"http", "https"} or not _is_host(parts.hostname) or not has_port:
        return "must be a URL: https:// and the name of a host"
    if parts.hostname in _PAGES:
        return f"is a page of {parts.hostname}: it must be the service's own URL"
    if parts.username is not None or parts.query or parts.fragment:
        return "must be the account's URL alone, without user, '?' or '#'"
    return _wrong_service(parts, service) or _wrong_path(parts, is_path_allowed) or _unsafe(parts, is_http_allowed)


def host_of(url: str) -> str:
    """Return the host of a URL that was checked, in brackets where it is an IPv6 address."""
    host = urlsplit(url).hostname or ""
    return f"[{host}]" if ":" in host else host


def is_loopback(host: str) -> bool:
    """Return whether a name or address in lower case is the loopback interface's.

    https://www.rfc-editor.org/rfc/rfc6761#section-6.3: `localhost` and every name below it.
    """
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def is_this_machine(host: str | None) -> bool:
    """Return whether a host is this machine, also by the name that it has inside a container."""
    return host is not None and (is_loopback(host) or host == "host.docker.internal")


def _is_host(host: str | None) -> bool:
    if not host:
        return False
    if ":" in host or re.fullmatch(r"[0-9.]+", host):
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return False
        return True
    return len(host) <= 253 and _HOST_NAME.fullmatch(host.removesuffix(".")) is not None  # RFC 1035


def _wrong_service(parts: SplitResult, service: str) -> str | None:
    host = parts.hostname or ""
    storage = _STORAGE_HOST.match(host)
    is_batch = re.search(r"\.batch\.[a-z.]+$", host) is not None
    if service and storage and storage[1] != service:
        return f"is the URL of a {storage[1].capitalize()} service"
    return "is the URL of a Batch account" if service and is_batch and service != "batch" else None


def _wrong_path(parts: SplitResult, is_allowed: bool) -> str | None:
    # Azurite has the account's name in the path.
    segments = [segment for segment in parts.path.split("/") if segment]
    is_right = not segments or (len(segments) == 1 and (is_allowed or is_this_machine(parts.hostname)))
    return None if is_right else "must be the account's URL alone, without a path"


def _unsafe(parts: SplitResult, is_http_allowed: bool) -> str | None:
    if parts.scheme == "https" or is_http_allowed or is_this_machine(parts.hostname):
        return None
    return "must begin with https://: files, tokens and SAS never go unencrypted to another machine"
