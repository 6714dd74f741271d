"""Pools as clients of Azure Resource Manager describe them, in the service's own words."""

from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from batch_emulator.errors import invalid_property
from batch_emulator.management.wording import to_service
from batch_emulator.model.auto_scale import evaluation_interval, formula
from batch_emulator.model.resizes import DEFAULT_RESIZE_TIMEOUT, deallocation_option, resize_timeout, target_nodes
from batch_emulator.model.schema import filled_text, list_of, one_of, record, text
from batch_emulator.values.documents import Document

#: What has the same name here and there.
_SAME: Final = (
    "displayName",
    "vmSize",
    "networkConfiguration",
    "taskSlotsPerNode",
    "taskSchedulingPolicy",
    "userAccounts",
    "metadata",
    "startTask",
    "mountConfiguration",
    "upgradePolicy",
)
_ENABLED: Final = "Enabled"


def _mapping(name: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise invalid_property(name, value, "An object is expected")
    return value


_fixed: Final = record(
    {
        "targetDedicatedNodes": target_nodes,
        "targetLowPriorityNodes": target_nodes,
        "resizeTimeout": resize_timeout,
        "nodeDeallocationOption": deallocation_option,
    }
)
_auto: Final = record({"formula": formula, "evaluationInterval": evaluation_interval}, frozenset({"formula"}))
_scale: Final = record({"fixedScale": _fixed, "autoScale": _auto})
_package: Final = record({"id": filled_text, "version": text}, frozenset({"id"}))
_pool: Final = record(
    {
        "properties": record(
            {
                "deploymentConfiguration": record({"virtualMachineConfiguration": _mapping}),
                "interNodeCommunication": one_of(_ENABLED, "Disabled"),
                "applicationPackages": list_of(_package),
                "scaleSettings": _scale,
            }
        ),
        "identity": record({"type": one_of("UserAssigned", "None"), "userAssignedIdentities": _mapping}),
        "tags": _mapping,
    }
)


def read_properties(body: Document) -> Document:
    """Return the properties of a pool that a client names, but for its size, as the service would be sent them.

    What is not known, and what only the service can say, is passed over: clients send back what they were shown.
    Raises InvalidPropertyValue and MissingRequiredProperty.
    """
    given = _pool("", body)
    properties = given.get("properties", {})
    found: Document = {name: to_service(properties[name]) for name in _SAME if name in properties}
    if "deploymentConfiguration" in properties:
        machine = properties["deploymentConfiguration"].get("virtualMachineConfiguration", {})
        found["virtualMachineConfiguration"] = to_service(machine)
    if "interNodeCommunication" in properties:
        found["enableInterNodeCommunication"] = properties["interNodeCommunication"] == _ENABLED
    if "applicationPackages" in properties:
        found["applicationPackageReferences"] = [_reference(package) for package in properties["applicationPackages"]]
    if "tags" in given:
        found["tags"] = {text("tags", name): text(f"tags.{name}", value) for name, value in given["tags"].items()}
    if (identity := given.get("identity")) is not None:
        found["identity"] = _identity(identity)
    return found


def _reference(package: Document) -> Document:
    return {"applicationId": package["id"], **({"version": package["version"]} if "version" in package else {})}


def _identity(identity: Document) -> Document | None:
    """Return the identity of a pool as the service shows it, with made-up principals that are always the same."""
    if identity.get("type") != "UserAssigned":
        return None
    assigned = identity.get("userAssignedIdentities", {})
    if not assigned:
        raise invalid_property("identity.userAssignedIdentities", "", "At least one identity is expected")
    return {
        "type": "UserAssigned",
        "userAssignedIdentities": [
            {"resourceId": resource_id, "clientId": _guid("client", resource_id), "principalId": _guid("", resource_id)}
            for resource_id in (filled_text("identity.userAssignedIdentities", name) for name in assigned)
        ],
    }


def _guid(kind: str, resource_id: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"{resource_id.lower()}#{kind}"))


def read_scale(body: Document) -> Document | None:
    """Return the size that a client wants, None if it says nothing of it: a formula, or targets and how to reach them.

    Raises InvalidPropertyValue where both are given.
    """
    scale = _pool("", body).get("properties", {}).get("scaleSettings", {})
    if len(scale.keys() & {"fixedScale", "autoScale"}) > 1:
        raise invalid_property("scaleSettings", "", "fixedScale or autoScale is expected, not both")
    if "autoScale" in scale:
        auto = scale["autoScale"]
        interval = {"autoScaleEvaluationInterval": auto["evaluationInterval"]} if "evaluationInterval" in auto else {}
        return {"autoScaleFormula": auto["formula"], **interval}
    if "fixedScale" in scale:
        defaults = {"targetDedicatedNodes": 0, "targetLowPriorityNodes": 0, "resizeTimeout": DEFAULT_RESIZE_TIMEOUT}
        return {**defaults, **scale["fixedScale"]}
    return None


def is_auto(scale: Document) -> bool:
    """Return whether a size is a formula's."""
    return "autoScaleFormula" in scale


#: How these are called where a refusal names them.
PROPERTY_OF: Final = {
    "virtualMachineConfiguration": "deploymentConfiguration",
    "enableInterNodeCommunication": "interNodeCommunication",
    "applicationPackageReferences": "applicationPackages",
}
