"""Changes of a pool's properties: PATCH, and the replacement of its changeable properties."""

from typing import Final

from batch_emulator.model.machines import check_customer_managed_key
from batch_emulator.model.pools import DEFAULT_SCHEDULING, POOL_READERS, finished
from batch_emulator.model.schema import record
from batch_emulator.values.documents import Document

#: What can be changed while the pool has nodes; they see it when they boot (SDK documentation of
#: BatchPoolUpdateOptions).
ALWAYS_CHANGEABLE: Final = ("startTask", "applicationPackageReferences", "metadata", "targetNodeCommunicationMode")

#: "This field can be updated only when the pool is empty" (SDK documentation of BatchPoolUpdateOptions).
CHANGEABLE_WHEN_EMPTY: Final = (
    "displayName",
    "vmSize",
    "enableInterNodeCommunication",
    "virtualMachineConfiguration",
    "taskSlotsPerNode",
    "taskSchedulingPolicy",
    "networkConfiguration",
    "resourceTags",
    "userAccounts",
    "mountConfiguration",
    "upgradePolicy",
)

_read: Final = record(POOL_READERS)


def read_pool_update(body: Document) -> Document:
    """Return the properties that a PATCH names; an empty list means that the property goes."""
    names = (*ALWAYS_CHANGEABLE, *CHANGEABLE_WHEN_EMPTY)
    changes: Document = finished(_read("", {name: body[name] for name in names if name in body}))
    if "taskSchedulingPolicy" in changes:
        changes["taskSchedulingPolicy"] = {**DEFAULT_SCHEDULING, **changes["taskSchedulingPolicy"]}
    return changes


def read_pool_replacement(body: Document) -> Document:
    """Return the replaced properties: those that are not named go (SDK documentation of BatchPoolReplaceOptions)."""
    names = ("startTask", "applicationPackageReferences", "metadata", "targetNodeCommunicationMode")
    given: Document = finished(_read("", {name: body[name] for name in names if name in body}))
    return {"startTask": None, "applicationPackageReferences": [], "metadata": [], **given}


def changed(current: Document, changes: Document) -> Document:
    """Return a pool's properties after changes; what became nothing is left out. Raises InvalidPropertyValue."""
    pool = {name: value for name, value in {**current, **changes}.items() if value not in (None, [])}
    check_customer_managed_key(pool)
    return pool
