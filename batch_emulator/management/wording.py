"""The words of Azure Resource Manager and those of the service: most are the same, some are spelled in another way.

Names: models of azure-mgmt-batch 19 beside those of azure-batch 15. Spelling of values: the enumerations of
azure-mgmt-batch, and recordings of the service's own.
"""

from collections.abc import Mapping
from typing import Final

_TO_SERVICE: Final = {
    "nodeAgentSkuId": "nodeAgentSKUId",
    "dynamicVnetAssignmentScope": "dynamicVNetAssignmentScope",
    "inboundNatPools": "inboundNATPools",
    "userName": "username",
}
_FROM_SERVICE: Final = {theirs: own for own, theirs in _TO_SERVICE.items()}
#: Where both say `username`.
_REGISTRIES: Final = frozenset({"containerRegistries", "registry"})
#: Documents of extensions, of which nobody here knows the words.
_FOREIGN: Final = frozenset({"settings", "protectedSettings"})

_SPELLED: Final[Mapping[str, tuple[str, ...]]] = {
    "access": ("Allow", "Deny"),
    "caching": ("None", "ReadOnly", "ReadWrite"),
    "elevationLevel": ("NonAdmin", "Admin"),
    "jobDefaultOrder": ("None", "CreationTime"),
    "loginMode": ("Batch", "Interactive"),
    "nodeDeallocationOption": ("Requeue", "Terminate", "TaskCompletion", "RetainedData"),
    "protocol": ("TCP", "UDP"),
    "scope": ("Task", "Pool"),
    "securityType": ("trustedLaunch", "confidentialVM"),
    "storageAccountType": ("Standard_LRS", "Premium_LRS", "StandardSSD_LRS"),
    "targets": ("OsDisk", "TemporaryDisk"),
    "type": ("DockerCompatible", "CriCompatible"),
    "workingDirectory": ("TaskWorkingDirectory", "ContainerImageDefault"),
}
_SPELLINGS: Final = {
    name: {spelling.lower(): spelling for spelling in spellings} for name, spellings in _SPELLED.items()
}
#: What the service keeps as it is sent.
_OF_SERVICE: Final = {"type": {"dockercompatible": "dockerCompatible", "cricompatible": "criCompatible"}}


def to_service(value: object) -> object:
    """Return a JSON value in the service's words; it reads the values of most enumerations in any case."""
    return _renamed(value, _TO_SERVICE, _OF_SERVICE)


def from_service(value: object) -> object:
    """Return a JSON value of the service's in the words of Resource Manager."""
    return _renamed(value, _FROM_SERVICE, _SPELLINGS)


def _renamed(
    value: object, names: Mapping[str, str], spellings: Mapping[str, Mapping[str, str]], within: str = ""
) -> object:
    match value:
        case dict():
            return {
                _name(key, names, within): inner if key in _FOREIGN else _renamed(inner, names, spellings, key)
                for key, inner in value.items()
            }
        case list():
            return [_renamed(inner, names, spellings, within) for inner in value]
        case str():
            return spellings.get(within, {}).get(value.lower(), value)
    return value


def _name(key: str, names: Mapping[str, str], within: str) -> str:
    return key if key == "username" and within in _REGISTRIES else names.get(key, key)
