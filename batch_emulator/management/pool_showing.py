"""Pools as Azure Resource Manager shows them (recording `test_mgmt_batch_pools`)."""

import json
from typing import Final

from batch_emulator.management.wording import from_service
from batch_emulator.store.pools import PoolRow
from batch_emulator.values.documents import Document
from batch_emulator.values.states import PoolState
from batch_emulator.values.timestamps import etag_of

_TYPE: Final = "Microsoft.Batch/batchAccounts/pools"
#: What has the same name here and there.
_SAME: Final = (
    "displayName",
    "networkConfiguration",
    "taskSlotsPerNode",
    "taskSchedulingPolicy",
    "userAccounts",
    "metadata",
    "startTask",
    "mountConfiguration",
    "upgradePolicy",
)


def weak_etag(modified: str) -> str:
    """Return the ETag of a pool: the service's own, with quotes and called weak."""
    return f'W/"{etag_of(modified)}"'


def pool_resource(row: PoolRow, counts: tuple[int, int], account: str) -> Document:
    """Return a pool of the account of that resource id; `counts` are its dedicated and Spot nodes."""
    stored = json.loads(row.document)
    shown: Document = {
        "id": f"{account}/pools/{row.id}",
        "name": row.id,
        "type": _TYPE,
        "etag": weak_etag(row.modified),
        "properties": _properties(row, stored, counts),
    }
    if isinstance(identity := stored.get("identity"), dict):
        shown["identity"] = _identity(identity)
    if tags := stored.get("tags"):
        shown["tags"] = tags
    return shown


def _properties(row: PoolRow, stored: Document, counts: tuple[int, int]) -> Document:
    is_connected = stored["enableInterNodeCommunication"]
    properties: Document = {
        "lastModified": row.modified,
        "creationTime": row.created,
        "provisioningState": "Deleting" if row.state == PoolState.DELETING else "Succeeded",
        "provisioningStateTransitionTime": row.state_time,
        "allocationState": row.allocation_state.capitalize(),
        "allocationStateTransitionTime": row.allocation_time,
        "vmSize": stored["vmSize"].upper(),
        "interNodeCommunication": "Enabled" if is_connected else "Disabled",
        **{name: from_service(stored[name]) for name in _SAME if name in stored},
        "scaleSettings": _scale(stored),
        "currentDedicatedNodes": counts[0],
        "currentLowPriorityNodes": counts[1],
    }
    if machine := stored.get("virtualMachineConfiguration"):
        properties["deploymentConfiguration"] = {"virtualMachineConfiguration": from_service(machine)}
    if packages := stored.get("applicationPackageReferences"):
        properties["applicationPackages"] = [_package(package) for package in packages]
    if stored["enableAutoScale"]:
        if row.auto_scale_run is not None:
            properties["autoScaleRun"] = _run(json.loads(row.auto_scale_run))
    else:
        properties["resizeOperationStatus"] = _resize(row, stored)
    return properties


def _scale(stored: Document) -> Document:
    if stored["enableAutoScale"]:
        formula, interval = stored["autoScaleFormula"], stored["autoScaleEvaluationInterval"]
        return {"autoScale": {"formula": formula, "evaluationInterval": interval}}
    names = ("targetDedicatedNodes", "targetLowPriorityNodes", "resizeTimeout")
    return {"fixedScale": {name: stored[name] for name in names if name in stored}}


def _package(package: Document) -> Document:
    version = {"version": package["version"]} if "version" in package else {}
    return {"id": package["applicationId"], **version}


def _run(run: Document) -> Document:
    shown = {"evaluationTime": run["timestamp"], "results": run["results"]}
    return {**shown, "error": _error(run["error"])} if "error" in run else shown


def _resize(row: PoolRow, stored: Document) -> Document:
    """Return the last resize, the present one among them, as far as the pool remembers it."""
    resize: Document = {
        "targetDedicatedNodes": stored.get("targetDedicatedNodes", 0),
        # Which it really was is not kept.
        "nodeDeallocationOption": "Requeue",
        "resizeTimeout": stored.get("resizeTimeout"),
        "startTime": row.allocation_time,
    }
    if spot := stored.get("targetLowPriorityNodes"):
        resize["targetLowPriorityNodes"] = spot
    if row.resize_errors is not None:
        resize["errors"] = [_error(error) for error in json.loads(row.resize_errors)]
    return resize


def _error(error: Document) -> Document:
    details = [{"code": value["name"], "message": value["value"]} for value in error.get("values", ())]
    return {"code": error["code"], "message": error["message"], **({"details": details} if details else {})}


def _identity(identity: Document) -> Document:
    # By the service's own API anything can be sent as one.
    assigned = identity.get("userAssignedIdentities")
    return {
        "type": str(identity.get("type", "UserAssigned")),
        "userAssignedIdentities": {
            str(one["resourceId"]): {"principalId": one.get("principalId"), "clientId": one.get("clientId")}
            for one in (assigned if isinstance(assigned, list) else ())
            if isinstance(one, dict) and "resourceId" in one
        },
    }
