"""What of a pool's definition names resources of Azure: images, networks, extensions, mounted file systems.

They have no effect here, but what is shown of them must have a shape, and what could never exist is refused.
"""

import re
from typing import Final

from batch_emulator.errors import invalid_property
from batch_emulator.model.resource_files import is_inside
from batch_emulator.model.schema import Document, Reader, filled_text, integer, list_of, one_of, record, text

_GROUP: Final = r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/"
_IMAGE: Final = re.compile(
    _GROUP + r"Microsoft\.Compute/(images/[^/]+|galleries/[^/]+/images/[^/]+(/versions/[^/]+)?)", re.IGNORECASE
)
_SUBNET: Final = re.compile(_GROUP + r"Microsoft\.(Classic)?Network/virtualNetworks/[^/]+/subnets/[^/]+", re.IGNORECASE)

#: No subscription has this id; the service refuses a subnet of it (its own tests expect that).
_NO_SUBSCRIPTION: Final = "/subscriptions/00000000-0000-0000-0000-000000000000/"


def _image_id(name: str, value: object) -> str:
    if not _IMAGE.fullmatch(image := text(name, value)):
        raise invalid_property(name, image, "The resource id of an image is expected")
    return image


def _subnet_id(name: str, value: object) -> str:
    subnet = text(name, value)
    if not _SUBNET.fullmatch(subnet) or subnet.lower().startswith(_NO_SUBSCRIPTION):
        raise invalid_property(name, subnet, "The resource id of a subnet in the account's subscription is expected")
    return subnet


_port = integer(1, 65_535)

_nat_pool = record(
    {
        "name": filled_text,
        "protocol": one_of("tcp", "udp"),
        "backendPort": _port,
        "frontendPortRangeStart": _port,
        "frontendPortRangeEnd": _port,
    },
    frozenset({"name", "protocol", "backendPort", "frontendPortRangeStart", "frontendPortRangeEnd"}),
)


def _ordered_nat_pool(name: str, value: object) -> Document:
    nat: Document = _nat_pool(name, value)
    if nat["frontendPortRangeStart"] > nat["frontendPortRangeEnd"]:
        raise invalid_property(f"{name}.frontendPortRangeEnd", nat["frontendPortRangeEnd"], "It lies before the start")
    return nat


network_configuration: Reader = record(
    {
        "subnetId": _subnet_id,
        "endpointConfiguration": record({"inboundNATPools": list_of(_ordered_nat_pool)}),
        "publicIPAddressConfiguration": record({"ipFamilies": list_of(text)}),
    }
)

virtual_machine_configuration: Reader = record(
    {
        "nodeAgentSKUId": text,
        "imageReference": record({"virtualMachineImageId": _image_id}),
        "extensions": list_of(
            record(
                {"name": filled_text, "publisher": filled_text, "type": filled_text},
                frozenset({"name", "publisher", "type"}),
            )
        ),
    }
)

_FILE_SYSTEMS: Final = (
    "azureBlobFileSystemConfiguration",
    "nfsMountConfiguration",
    "cifsMountConfiguration",
    "azureFileShareConfiguration",
)


def _mount_path(name: str, value: object) -> str:
    if not is_inside(path := text(name, value)):
        raise invalid_property(name, path, "The path must stay inside the directory of mounts")
    return path


_file_system = record({"relativeMountPath": _mount_path}, frozenset({"relativeMountPath"}))
_mount = record(dict.fromkeys(_FILE_SYSTEMS, _file_system))


def _one_mount(name: str, value: object) -> Document:
    mount: Document = _mount(name, value)
    if sum(kind in mount for kind in _FILE_SYSTEMS) != 1:
        raise invalid_property(name, "", f"Exactly one of {', '.join(_FILE_SYSTEMS)} is expected")
    return mount


#: Reads the file systems to be mounted (SDK documentation of MountConfiguration).
mount_configuration: Reader = list_of(_one_mount)


def mount_paths(pool: Document) -> list[str]:
    """Return where on a node, relative to the directory of mounts, file systems are to be."""
    mounts: list[Document] = pool.get("mountConfiguration", [])
    return [mount[kind]["relativeMountPath"] for mount in mounts for kind in _FILE_SYSTEMS if kind in mount]
