"""The machines of a pool as it describes them: images, disks, extensions and users.

Nothing of it has an effect here. Defaults that the service adds and refusals: recordings of the real service.
"""

import re
from typing import Final

from batch_emulator.errors import invalid_property
from batch_emulator.model.resource_files import identity_reference
from batch_emulator.model.schema import filled_text, integer, list_of, one_of, record, text
from batch_emulator.values.documents import Document

_STANDARD_DISK: Final = "standard_lrs"
_OS_DISK: Final = "osdisk"
_KEY: Final = "virtualMachineConfiguration.diskEncryptionConfiguration.customerManagedKey"

_IMAGE_ID: Final = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Compute/"
    r"(images/[^/]+|galleries/[^/]+/images/[^/]+(/versions/[^/]+)?)",
    re.IGNORECASE,
)
_IMAGE_GROUP: Final = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.Compute"
_IMAGE_REASON: Final = (
    f"The specified resource id must be of the format {_IMAGE_GROUP}/images/{{imageName}}, "
    f"{_IMAGE_GROUP}/galleries/{{galleryName}}/images/{{galleryImageName}}/versions/{{galleryImageVersionName}}, or "
    f"{_IMAGE_GROUP}/galleries/{{galleryName}}/images/{{galleryImageName}}"
)


def _image_id(name: str, value: object) -> str:
    if not _IMAGE_ID.fullmatch(image := text(name, value)):
        raise invalid_property("virtualMachineImageId", image, _IMAGE_REASON)
    return image


_image = record(
    {
        **dict.fromkeys(("publisher", "offer", "sku", "version"), text),
        "virtualMachineImageId": _image_id,
        "sharedGalleryImageId": filled_text,
        "communityGalleryImageId": filled_text,
    }
)
_storage = one_of(_STANDARD_DISK, "premium_lrs", "standardssd_lrs")
_managed_disk = record({"storageAccountType": _storage})
_disk = record(
    {
        "lun": integer(0, 63),
        "caching": one_of("none", "readonly", "readwrite"),
        "diskSizeGB": integer(1),
        "storageAccountType": _storage,
        "managedDisk": _managed_disk,
    },
    frozenset({"lun", "diskSizeGB"}),
)
_os_disk = record({"caching": one_of("None", "ReadOnly", "ReadWrite"), "managedDisk": _managed_disk})


def _image_reference(name: str, value: object) -> Document:
    image: Document = _image(name, value)
    if "publisher" in image:
        image.setdefault("version", "latest")
    return image


def _data_disk(name: str, value: object) -> Document:
    disk: Document = {"caching": "none", **_disk(name, value)}
    # Clients of older versions name the storage beside the managed disk.
    if "storageAccountType" not in disk:
        disk["managedDisk"] = {"storageAccountType": _STANDARD_DISK, **disk.get("managedDisk", {})}
    return disk


def _operating_system_disk(name: str, value: object) -> Document:
    disk: Document = {"ephemeralOSDiskSettings": {}, "caching": "None", **_os_disk(name, value)}
    disk["managedDisk"] = {"storageAccountType": _STANDARD_DISK, **disk.get("managedDisk", {})}
    return disk


#: Spelled as the service writes them, whatever the case they are sent in.
_placement = record({"policy": one_of("Regional", "Zonal")})
_security_profile = record({"securityType": one_of("trustedlaunch", "confidentialvm")})

_EXTENSION: Final = ("name", "publisher", "type")
_extension = record(dict.fromkeys(_EXTENSION, filled_text), frozenset(_EXTENSION))

#: Reads `virtualMachineConfiguration`.
virtual_machine: Final = record(
    {
        "nodeAgentSKUId": text,
        "imageReference": _image_reference,
        "osDisk": _operating_system_disk,
        "dataDisks": list_of(_data_disk),
        "extensions": list_of(_extension),
        "nodePlacementConfiguration": _placement,
        "securityProfile": _security_profile,
        "diskEncryptionConfiguration": record(
            {
                "targets": list_of(one_of(_OS_DISK, "temporarydisk")),
                "customerManagedKey": record({"identityReference": identity_reference, "keyUrl": text}),
            }
        ),
    },
    frozenset({"imageReference", "nodeAgentSKUId"}),
)

#: Reads `userAccounts`; their secrets are dropped elsewhere.
user_accounts: Final = list_of(
    record({"name": filled_text, "elevationLevel": one_of("nonadmin", "admin")}, frozenset({"name"}))
)


def check_customer_managed_key(pool: Document) -> None:
    """Refuse a key that the pool could not use.

    "It can be used only when the pool is configured with an identity and OsDisk is set as one of the targets of
    DiskEncryption" (SDK documentation of DiskEncryptionConfiguration). How the first is refused: recording
    `should_fail_to_create_a_cmk_disk_encrypted_pool_as_dataplane_does_not_support_pool_identity`.
    """
    encryption = pool.get("virtualMachineConfiguration", {}).get("diskEncryptionConfiguration", {})
    if "customerManagedKey" not in encryption:
        return
    if "identity" not in pool:
        raise invalid_property("identity", "", "Pool Identity is required when using CustomerManagedKey.")
    if _OS_DISK not in encryption.get("targets", ()):
        raise invalid_property(_KEY, "", "A customer-managed key needs OsDisk among the targets")


def with_user_defaults(pool: Document) -> Document:
    """Complete the users of a pool: what they may do, and how they log on to Windows."""
    agent = str(pool.get("virtualMachineConfiguration", {}).get("nodeAgentSKUId", ""))
    for account in pool.get("userAccounts", ()):
        account.setdefault("elevationLevel", "nonadmin")
        if agent.startswith("batch.node.windows"):
            account["windowsUserConfiguration"] = {"loginMode": "batch", **account.get("windowsUserConfiguration", {})}
        elif account.get("linuxUserConfiguration") == {}:
            del account["linuxUserConfiguration"]
    return pool
