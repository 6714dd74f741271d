"""The images that pools can be made of: a list in the shape of the service's, of images that it is known to offer.

Nothing of an image has an effect here: tasks run on the emulator's own system.
"""

from typing import Final

from batch_emulator.model.schema import Document
from batch_emulator.odata.sql import Property, enum_property, name_property, text_property

_LINUX: Final = (
    ("batch.node.ubuntu 22.04", "canonical", "0001-com-ubuntu-server-jammy", "22_04-lts", "verified", ()),
    (
        "batch.node.ubuntu 22.04",
        "microsoft-azure-batch",
        "ubuntu-server-container",
        "22-04-lts",
        "verified",
        ("docker",),
    ),
    ("batch.node.ubuntu 22.04", "microsoft-dsvm", "ubuntu-hpc", "2204", "verified", ("docker", "gpu", "rdma")),
    ("batch.node.ubuntu 24.04", "canonical", "ubuntu-24_04-lts", "server", "verified", ()),
    ("batch.node.debian 11", "debian", "debian-11", "11", "verified", ()),
    ("batch.node.debian 12", "debian", "debian-12", "12", "verified", ()),
    ("batch.node.el 8", "almalinux", "almalinux-x86_64", "8-gen2", "verified", ()),
    ("batch.node.el 9", "almalinux", "almalinux-x86_64", "9-gen2", "verified", ()),
    ("batch.node.opensuse 15", "suse", "sles-15-sp5", "gen2", "unverified", ()),
)
_WINDOWS: Final = (
    ("microsoftwindowsserver", "windowsserver", "2016-datacenter-smalldisk", "verified", ()),
    ("microsoftwindowsserver", "windowsserver", "2019-datacenter-core", "verified", ()),
    ("microsoftwindowsserver", "windowsserver", "2019-datacenter-with-containers", "verified", ("docker",)),
    ("microsoftwindowsserver", "windowsserver", "2022-datacenter", "verified", ()),
    ("microsoftwindowsserver", "windowsserver", "2022-datacenter-g2", "verified", ()),
)
_CAPABILITIES: Final = {
    "docker": ("DockerCompatible",),
    "gpu": ("NvidiaTeslaDriverInstalled",),
    "rdma": ("IntelMPIRuntimeInstalled", "SupportsRDMAOnly"),
}

#: What the filter of "list supported images" may name.
IMAGE_FILTER: Final[dict[str, Property]] = {
    "nodeAgentSKUId": text_property("nodeAgentSKUId"),
    "osType": enum_property("osType", ("linux", "windows")),
    "verificationType": enum_property("verificationType", ("verified", "unverified")),
    "imageReference/publisher": name_property("publisher"),
    "imageReference/offer": name_property("offer"),
    "imageReference/sku": name_property("sku"),
}


def supported_images() -> list[Document]:
    """Return all images, in the order of the list."""
    linux = [_image("linux", *each) for each in _LINUX]
    return linux + [_image("windows", "batch.node.windows amd64", *each) for each in _WINDOWS]


def _image(
    system: str, agent: str, publisher: str, offer: str, sku: str, verification: str, features: tuple[str, ...]
) -> Document:
    image: Document = {
        "nodeAgentSKUId": agent,
        "imageReference": {"publisher": publisher, "offer": offer, "sku": sku, "version": "latest"},
        "osType": system,
        "verificationType": verification,
    }
    if features:
        image["capabilities"] = [name for feature in features for name in _CAPABILITIES[feature]]
    return image


def image_values(image: Document) -> dict[str, str]:
    """Return what a filter sees of an image."""
    reference = {f"imageReference/{name}": value for name, value in image["imageReference"].items()}
    return {**reference, **{name: image[name] for name in ("nodeAgentSKUId", "osType", "verificationType")}}
