"""A pool's network as it describes it, with the defaults that the service adds. Nothing of it has an effect here.

Defaults and refusals: recordings of the real service.
"""

import re
from typing import Final
from uuid import UUID

from batch_emulator.errors import invalid_property
from batch_emulator.model.schema import filled_text, integer, list_of, one_of, record, text
from batch_emulator.values.documents import Document

_LAST_FRONTEND_PORT: Final = 65_534

_SUBNET: Final = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/"
    r"Microsoft\.(Classic)?Network/virtualNetworks/[^/]+/subnets/[^/]+",
    re.IGNORECASE,
)

_rule = record({"priority": integer(150, 4096), "access": one_of("allow", "deny"), "sourceAddressPrefix": filled_text})


def _security_rule(name: str, value: object) -> Document:
    return {"sourcePortRanges": ["*"], **_rule(name, value)}


_nat_pool = record(
    {
        "name": filled_text,
        "protocol": one_of("tcp", "udp"),
        "backendPort": integer(1, 65_535),
        "frontendPortRangeStart": integer(1, _LAST_FRONTEND_PORT),
        "frontendPortRangeEnd": integer(1, _LAST_FRONTEND_PORT),
        "networkSecurityGroupRules": list_of(_security_rule),
    },
    frozenset({"name", "protocol", "backendPort", "frontendPortRangeStart", "frontendPortRangeEnd"}),
)


def _inbound_nat_pool(name: str, value: object) -> Document:
    pool: Document = _nat_pool(name, value)
    if pool["frontendPortRangeEnd"] < pool["frontendPortRangeStart"]:
        raise invalid_property(f"{name}.frontendPortRangeEnd", pool["frontendPortRangeEnd"], "The range has no ports")
    return pool


def _subnet_id(name: str, value: object) -> str:
    """Refuse the subscription that cannot be the account's; of all others an emulator knows nothing."""
    subnet = text(name, value)
    if subnet.lower().startswith(f"/subscriptions/{UUID(int=0)}/"):
        reason = (
            "The specified subnetId is in a different subscription and cannot be used with the current Batch account"
        )
        raise invalid_property("subnetId", subnet, reason)
    if not _SUBNET.fullmatch(subnet):
        raise invalid_property("subnetId", subnet, "The resource id of a subnet is expected")
    return subnet


_families = list_of(one_of("IPv4", "IPv6"))


def _ip_families(name: str, value: object) -> list[str]:
    """Read the families of a pool's addresses; IPv4 comes first, however they are sent."""
    return sorted(set(_families(name, value)))


_network = record(
    {
        "subnetId": _subnet_id,
        "endpointConfiguration": record({"inboundNATPools": list_of(_inbound_nat_pool)}),
        "dynamicVNetAssignmentScope": one_of("none", "job"),
        "publicIPAddressConfiguration": record(
            {
                "provision": one_of("BatchManaged", "UserManaged", "NoPublicIPAddresses"),
                "ipFamilies": _ip_families,
            }
        ),
    }
)


def network_configuration(name: str, value: object) -> Document:
    """Read `networkConfiguration`."""
    return {"dynamicVNetAssignmentScope": "none", "enableAcceleratedNetworking": False, **_network(name, value)}
