"""The addresses of an account and of what belongs to it."""

import re
from typing import Final
from urllib.parse import quote

from batch_emulator.errors import BatchError, ErrorCode

#: https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsoftresources
_SUBSCRIPTION: Final = re.compile(r"[\w-]{1,64}")
_GROUP: Final = re.compile(r"[\w.()-]{1,90}")
_PREFIX: Final = "/subscriptions/"
_WORDS: Final = (
    "subscriptions",
    "resourceGroups",
    "providers",
    "Microsoft.Batch",
    "batchAccounts",
    "pools",
    "poolOperationResults",
    "listKeys",
    "disableAutoScale",
    "stopResize",
)
_SPELLING: Final = {word.lower(): word for word in _WORDS}
#: Where a path has words of its own, and no names, within a resource group and beneath the subscription.
_OF_GROUP: Final = frozenset({0, 2, 4, 5, 6, 8, 10})
_OF_SUBSCRIPTION: Final = frozenset({0, 2, 3, 4})


def is_management(path: str) -> bool:
    """Return whether a path is one of Azure Resource Manager: no path of the service begins like it."""
    return path.lower().startswith(_PREFIX)


def spelled(path: str) -> str:
    """Return a path with its words spelled as usual: Resource Manager takes them in any case."""
    parts = path.strip("/").split("/")
    words = _OF_SUBSCRIPTION if parts[2:3] and parts[2].lower() == "providers" else _OF_GROUP
    return "/" + "/".join(
        _SPELLING.get(part.lower(), part) if place in words else part for place, part in enumerate(parts)
    )


def check_names(subscription: str, group: str) -> None:
    """Raise InvalidUri for what no subscription or group is called: both are shown in what is answered."""
    if not (_SUBSCRIPTION.fullmatch(subscription) and _GROUP.fullmatch(group)):
        raise BatchError(ErrorCode.INVALID_URI, Reason="There is no subscription or resource group of this name")


def url_path(resource_id: str) -> str:
    """Return the path of a resource in a URL: names of groups may have letters of any language."""
    return quote(resource_id)


def account_id(subscription: str, group: str, account: str) -> str:
    """Return the resource id of an account."""
    return f"{_PREFIX}{subscription}/resourceGroups/{group}/providers/Microsoft.Batch/batchAccounts/{account}"
