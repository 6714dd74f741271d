"""The addresses by which a node would be reached: plausible, simulated, and leading nowhere.

Shapes: recordings of the real service. The addresses are those set aside for documentation (RFC 5737, RFC 3849).
"""

from collections.abc import Iterator
from typing import Final

from batch_emulator.model.schema import Document
from batch_emulator.store.nodes import NodeRow

_SSH_PORT: Final = 22
_FIRST_SSH_FRONTEND: Final = 50_000
_SSH_FRONTENDS: Final = 5_000


def _public_address(row: NodeRow) -> str:
    return f"203.0.113.{row.pool_no % 254 + 1}"


def _public_name(row: NodeRow) -> str:
    return f"dns{row.pool_no}-azurebatch.emulator.invalid"


def endpoint_configuration(row: NodeRow, pool: Document) -> Document:
    """Return a node's inbound endpoints: one for each NAT pool, and the one for remote login."""
    return {"inboundEndpoints": [*_nat_endpoints(row, pool), _endpoint(row, "SSHRule", "tcp", _SSH_PORT, _ssh(row))]}


def _nat_endpoints(row: NodeRow, pool: Document) -> Iterator[Document]:
    configuration = pool.get("networkConfiguration", {}).get("endpointConfiguration", {})
    for nat in configuration.get("inboundNATPools", ()):
        first, last = int(nat["frontendPortRangeStart"]), int(nat["frontendPortRangeEnd"])
        port = first + row.no % (last - first + 1)
        yield _endpoint(row, nat["name"], nat["protocol"].lower(), int(nat["backendPort"]), port)


def _endpoint(row: NodeRow, name: str, protocol: str, backend: int, frontend: int) -> Document:
    return {
        "name": f"{name}.0",
        "protocol": protocol,
        "publicIPAddress": _public_address(row),
        "publicFQDN": _public_name(row),
        "frontendPort": frontend,
        "backendPort": backend,
    }


def _ssh(row: NodeRow) -> int:
    return _FIRST_SSH_FRONTEND + row.no % _SSH_FRONTENDS


def ipv6_address(row: NodeRow, pool: Document) -> str | None:
    """Return the address that a node of a pool with IPv6 has, None in other pools."""
    addresses = pool.get("networkConfiguration", {}).get("publicIPAddressConfiguration", {})
    families = {str(family).lower() for family in addresses.get("ipFamilies", ())}
    return f"2001:db8::{row.no:x}" if "ipv6" in families else None


def remote_login_settings(row: NodeRow, pool: Document) -> Document:
    """Return where a user would log on to a node."""
    settings: Document = {"remoteLoginIPAddress": _public_address(row), "remoteLoginPort": _ssh(row)}
    if (address := ipv6_address(row, pool)) is not None:
        settings |= {"ipv6RemoteLoginIPAddress": address, "ipv6RemoteLoginPort": _ssh(row)}
    return settings
