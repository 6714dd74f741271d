"""The images that pools can be made of: the list that the service gave on 4 September 2025, and what is known since.

Recording: MiscIntegrationTests/ListSupportedImages of Azure.Compute.Batch in https://github.com/Azure/azure-sdk-assets.
Since then: https://github.com/Azure/Batch/issues/200 (Ubuntu 22.04 ends; the HPC image of Ubuntu 24.04, whose
capabilities are taken to be those of 22.04).
Nothing of an image has an effect here: tasks run on the emulator's own system.
"""

from itertools import groupby
from typing import Final, Literal

from batch_emulator.odata.sql import Property, enum_property, name_property, text_property
from batch_emulator.values.documents import Document

type _Kind = Literal["verified", "unverified"]

_CAPABILITIES: Final = {
    "C": "ConfidentialVMCompatible",
    "D": "DockerCompatible",
    "G": "NvidiaGridDriverInstalled",
    "I": "IntelMPIRuntimeInstalled",
    "R": "SupportsRDMAOnly",
    "T": "NvidiaTeslaDriverInstalled",
    "2": "Generation2VMImage",
}
_WINDOWS: Final = "batch.node.windows amd64"
#: When the service's support of the images of a node agent ends, or has ended.
_END_OF_LIFE: Final = {
    "batch.node.ubuntu 20.04": "2025-04-23T00:00:00Z",
    "batch.node.ubuntu 22.04": "2027-06-30T00:00:00Z",
    "batch.node.mariner 2.0": "2025-07-30T00:00:00Z",
}

#: Publisher, offer, SKU, node agent, verification, capabilities (letters of _CAPABILITIES, in the service's order).
_MARKETPLACE: Final[tuple[tuple[str, str, str, str, _Kind, str], ...]] = (
    ("almalinux", "almalinux-hpc", "8-hpc-gen1", "batch.node.el 8", "unverified", "DRI"),
    ("almalinux", "almalinux-hpc", "8-hpc-gen2", "batch.node.el 8", "unverified", "DRI2"),
    ("almalinux", "almalinux-x86_64", "8-gen1", "batch.node.el 8", "verified", ""),
    ("almalinux", "almalinux-x86_64", "8-gen2", "batch.node.el 8", "verified", "2"),
    ("almalinux", "almalinux-x86_64", "9-gen1", "batch.node.el 9", "verified", ""),
    ("almalinux", "almalinux-x86_64", "9-gen2", "batch.node.el 9", "verified", "2"),
    (
        *("canonical", "0001-com-ubuntu-confidential-vm-jammy", "22_04-lts-cvm"),
        *("batch.node.ubuntu 22.04", "unverified", "C2"),
    ),
    ("canonical", "0001-com-ubuntu-server-focal", "20_04-lts", "batch.node.ubuntu 20.04", "verified", ""),
    ("canonical", "0001-com-ubuntu-server-focal", "20_04-lts-gen2", "batch.node.ubuntu 20.04", "verified", "2"),
    ("canonical", "0001-com-ubuntu-server-jammy", "22_04-lts", "batch.node.ubuntu 22.04", "verified", ""),
    ("canonical", "0001-com-ubuntu-server-jammy", "22_04-lts-gen2", "batch.node.ubuntu 22.04", "verified", "2"),
    ("canonical", "ubuntu-24_04-lts", "cvm", "batch.node.ubuntu 24.04", "unverified", "C2"),
    ("canonical", "ubuntu-24_04-lts", "server", "batch.node.ubuntu 24.04", "verified", "2"),
    ("canonical", "ubuntu-24_04-lts", "server-gen1", "batch.node.ubuntu 24.04", "verified", ""),
    ("microsoft-azure-batch", "ubuntu-server-container", "20-04-lts", "batch.node.ubuntu 20.04", "verified", "DTG"),
    (
        *("microsoft-azure-batch", "ubuntu-server-container-rdma", "20-04-lts"),
        *("batch.node.ubuntu 20.04", "verified", "DTRI"),
    ),
    ("microsoft-dsvm", "dsvm-win-2019", "winserver-2019", _WINDOWS, "unverified", "D"),
    ("microsoft-dsvm", "ubuntu-2004", "2004", "batch.node.ubuntu 20.04", "unverified", "T"),
    ("microsoft-dsvm", "ubuntu-2004", "2004-gen2", "batch.node.ubuntu 20.04", "unverified", "T"),
    ("microsoft-dsvm", "ubuntu-hpc", "2004", "batch.node.ubuntu 20.04", "verified", "DR2I"),
    ("microsoft-dsvm", "ubuntu-hpc", "2204", "batch.node.ubuntu 22.04", "verified", "DR2I"),
    ("microsoft-dsvm", "ubuntu-hpc", "2404", "batch.node.ubuntu 24.04", "verified", "DR2I"),
    ("microsoft-dsvm", "ubuntu-hpc", "2204-rocm", "batch.node.ubuntu 22.04", "verified", "DR2I"),
    ("microsoftcblmariner", "azure-linux-3", "azure-linux-3", "batch.node.azurelinux 3.0", "verified", ""),
    ("microsoftcblmariner", "azure-linux-3", "azure-linux-3-gen2", "batch.node.azurelinux 3.0", "verified", "2"),
    ("microsoftcblmariner", "cbl-mariner", "cbl-mariner-2", "batch.node.mariner 2.0", "verified", ""),
    ("microsoftcblmariner", "cbl-mariner", "cbl-mariner-2-gen2", "batch.node.mariner 2.0", "verified", "2"),
)
#: The SKUs of microsoftwindowsserver:windowsserver.
_WINDOWS_SERVER: Final[tuple[tuple[str, _Kind, str], ...]] = (
    ("2016-datacenter", "verified", ""),
    ("2016-datacenter-gensecond", "verified", "2"),
    ("2016-datacenter-gs", "unverified", ""),
    ("2016-datacenter-smalldisk", "verified", ""),
    ("2016-datacenter-smalldisk-g2", "verified", "2"),
    ("2019-datacenter", "verified", ""),
    ("2019-datacenter-core", "verified", ""),
    ("2019-datacenter-core-g2", "verified", "C2"),
    ("2019-datacenter-core-smalldisk", "verified", ""),
    ("2019-datacenter-core-smalldisk-g2", "verified", "C2"),
    ("2019-datacenter-gensecond", "verified", "C2"),
    ("2019-datacenter-gs", "unverified", ""),
    ("2019-datacenter-smalldisk", "verified", ""),
    ("2019-datacenter-smalldisk-g2", "verified", "C2"),
    ("2022-datacenter", "verified", ""),
    ("2022-datacenter-azure-edition", "verified", "C2"),
    ("2022-datacenter-azure-edition-smalldisk", "verified", "C2"),
    ("2022-datacenter-core", "verified", ""),
    ("2022-datacenter-core-g2", "verified", "C2"),
    ("2022-datacenter-core-smalldisk", "verified", ""),
    ("2022-datacenter-core-smalldisk-g2", "verified", "C2"),
    ("2022-datacenter-g2", "verified", "C2"),
    ("2022-datacenter-smalldisk", "verified", ""),
    ("2022-datacenter-smalldisk-g2", "verified", "C2"),
    ("2025-datacenter", "verified", ""),
    ("2025-datacenter-azure-edition", "verified", "2"),
    ("2025-datacenter-azure-edition-smalldisk", "verified", "2"),
    ("2025-datacenter-core", "verified", ""),
    ("2025-datacenter-core-g2", "verified", "2"),
    ("2025-datacenter-core-smalldisk", "verified", ""),
    ("2025-datacenter-core-smalldisk-g2", "verified", "2"),
    ("2025-datacenter-g2", "verified", "2"),
    ("2025-datacenter-smalldisk", "verified", ""),
    ("2025-datacenter-smalldisk-g2", "verified", "2"),
)
_OTHERS: Final[tuple[tuple[str, str, str, str, _Kind, str], ...]] = (
    ("oracle", "oracle-linux", "81", "batch.node.el 8", "unverified", ""),
    (
        *("xilinx", "xilinx_alveo_u250_deployment_vm_ubuntu2004_062421"),
        *("xilinx_alveo_u250_deployment_vm_ubuntu_2004_062421", "batch.node.ubuntu 20.04", "unverified", ""),
    ),
)

#: What the filter of "list supported images" may name.
IMAGE_FILTER: Final[dict[str, Property]] = {
    "nodeAgentSKUId": text_property("nodeAgentSKUId"),
    "osType": enum_property("osType", ("linux", "windows")),
    "verificationType": enum_property("verificationType", ("verified", "unverified")),
    "imageReference/publisher": name_property("publisher"),
    "imageReference/offer": name_property("offer"),
    "imageReference/sku": name_property("sku"),
}

#: What the filter of "list node agent SKUs" may name: that of versions before 2019-06-01.9.0.
AGENT_FILTER: Final[dict[str, Property]] = {
    "id": text_property("id"),
    "osType": enum_property("osType", ("linux", "windows")),
}


def supported_images() -> list[Document]:
    """Return all images, in the order of the recorded list."""
    server = ("microsoftwindowsserver", "windowsserver")
    windows = ((*server, sku, _WINDOWS, kind, features) for sku, kind, features in _WINDOWS_SERVER)
    return [_image(*image) for image in (*_MARKETPLACE, *windows, *_OTHERS)]


def _image(publisher: str, offer: str, sku: str, agent: str, verification: _Kind, features: str) -> Document:
    image: Document = {
        "imageReference": {"publisher": publisher, "offer": offer, "sku": sku, "version": "latest"},
        "verificationType": verification,
        "nodeAgentSKUId": agent,
    }
    if features:
        image["capabilities"] = [_CAPABILITIES[letter] for letter in features]
    if agent in _END_OF_LIFE:
        image["batchSupportEndOfLife"] = _END_OF_LIFE[agent]
    return {**image, "osType": "windows" if agent == _WINDOWS else "linux"}


def node_agents() -> list[Document]:
    """Return the node agents with their verified images, as versions before 2019-06-01.9.0 list them."""
    verified = (image for image in supported_images() if image["verificationType"] == "verified")
    by_agent = groupby(sorted(verified, key=_agent), key=_agent)
    return [_node_agent(agent, list(images)) for agent, images in by_agent]


def _agent(image: Document) -> str:
    agent: str = image["nodeAgentSKUId"]
    return agent


def _node_agent(agent: str, images: list[Document]) -> Document:
    references = [image["imageReference"] for image in images]
    return {"id": agent, "verifiedImageReferences": references, "osType": images[0]["osType"]}


def image_values(image: Document) -> dict[str, str]:
    """Return what a filter sees of an image."""
    reference = {f"imageReference/{name}": value for name, value in image["imageReference"].items()}
    return {**reference, **{name: image[name] for name in ("nodeAgentSKUId", "osType", "verificationType")}}
