"""The addresses by which a node would be reached: plausible, simulated, and leading nowhere.

Shapes: recordings of the real service. The addresses are those set aside for documentation (RFC 5737, RFC 3849).
"""

from collections.abc import Iterator
from typing import Final

from batch_emulator.store.nodes import NodeRow
from batch_emulator.values.documents import Document

#: SSH of Linux, remote desktop of Windows.
_LOGIN_PORTS: Final = frozenset({22, 3389})
_FIRST_SSH_FRONTEND: Final = 50_000
_SSH_FRONTENDS: Final = 5_000


def _public_address(row: NodeRow) -> str:
    return f"203.0.113.{row.pool_no % 254 + 1}"


def _public_name(row: NodeRow) -> str:
    return f"dns{row.pool_no}-azurebatch.emulator.invalid"


def inbound_endpoints(row: NodeRow, pool: Document) -> list[Document]:
    """Return a node's inbound endpoints: one for each NAT pool and family of addresses, none without NAT pools.

    Recordings: `should_get_the_details_of_a_pool_with_endpoint_configuration` and `..._with_ipv6_address`.
    """
    return [endpoint for nat in _nat_pools(pool) for endpoint in _endpoints(row, pool, nat)]


def _nat_pools(pool: Document) -> list[Document]:
    configuration = pool.get("networkConfiguration", {}).get("endpointConfiguration", {})
    return list(configuration.get("inboundNATPools", ()))


def _endpoints(row: NodeRow, pool: Document, nat: Document) -> Iterator[Document]:
    name, protocol, backend = nat["name"], nat["protocol"].lower(), int(nat["backendPort"])
    yield _endpoint(row, name, protocol, (backend, _frontend(row, nat)))
    if (address := ipv6_address(row, pool)) is not None:
        ipv6 = _endpoint(row, f"{name}-ipv6", protocol, (backend, _frontend(row, nat)))
        yield {**ipv6, "publicIPAddress": address}


def _frontend(row: NodeRow, nat: Document) -> int:
    first, last = int(nat["frontendPortRangeStart"]), int(nat["frontendPortRangeEnd"])
    return first + row.no % (last - first + 1)


def _endpoint(row: NodeRow, name: str, protocol: str, ports: tuple[int, int]) -> Document:
    backend, frontend = ports
    return {
        "name": f"{name}.0",
        "protocol": protocol,
        "publicIPAddress": _public_address(row),
        "publicFQDN": _public_name(row),
        "frontendPort": frontend,
        "backendPort": backend,
    }


def _login_port(row: NodeRow, pool: Document) -> int:
    """Return the frontend port of the NAT pool for logging on, one of no meaning where the pool has none."""
    for nat in _nat_pools(pool):
        if int(nat["backendPort"]) in _LOGIN_PORTS:
            return _frontend(row, nat)
    return _FIRST_SSH_FRONTEND + row.no % _SSH_FRONTENDS


def ipv6_address(row: NodeRow, pool: Document) -> str | None:
    """Return the address that a node of a pool with IPv6 has, None in other pools."""
    addresses = pool.get("networkConfiguration", {}).get("publicIPAddressConfiguration", {})
    families = {str(family).lower() for family in addresses.get("ipFamilies", ())}
    return f"2001:db8::{row.no:x}" if "ipv6" in families else None


def remote_login_settings(row: NodeRow, pool: Document) -> Document:
    """Return where a user would log on to a node."""
    port = _login_port(row, pool)
    settings: Document = {"remoteLoginIPAddress": _public_address(row), "remoteLoginPort": port}
    if (address := ipv6_address(row, pool)) is not None:
        settings |= {"ipv6RemoteLoginIPAddress": address, "ipv6RemoteLoginPort": port}
    return settings
