"""Pools on the wire."""

import json
from collections.abc import Mapping
from typing import Final

from batch_emulator.model.auto_scale import DEFAULT_INTERVAL, check_settings, evaluation_interval, formula
from batch_emulator.model.container_settings import container_settings, with_command
from batch_emulator.model.machines import check_customer_managed_key, user_accounts, virtual_machine, with_user_defaults
from batch_emulator.model.mounts import mount_configuration
from batch_emulator.model.networks import network_configuration
from batch_emulator.model.package_references import package_references
from batch_emulator.model.pool_secrets import without_secrets
from batch_emulator.model.resizes import resize_timeout
from batch_emulator.model.resource_files import resource_files
from batch_emulator.model.schema import (
    Reader,
    boolean,
    display_name,
    environment_settings,
    integer,
    lowered_text,
    metadata,
    one_of,
    property_names,
    record,
    resource,
    resource_id,
    text,
)
from batch_emulator.model.user_identities import DEFAULT_USER, user_identity
from batch_emulator.store.pools import PoolRow
from batch_emulator.values.documents import Document
from batch_emulator.values.timestamps import etag_of

#: What `$select` may name (SDK model BatchPool).
POOL_PROPERTIES: Final = property_names(
    "id displayName url eTag lastModified creationTime state stateTransitionTime allocationState "
    "allocationStateTransitionTime vmSize virtualMachineConfiguration resizeTimeout resizeErrors "
    "currentDedicatedNodes currentLowPriorityNodes targetDedicatedNodes targetLowPriorityNodes "
    "enableAutoScale autoScaleFormula autoScaleEvaluationInterval autoScaleRun "
    "enableInterNodeCommunication networkConfiguration startTask applicationPackageReferences "
    "taskSlotsPerNode taskSchedulingPolicy userAccounts metadata stats mountConfiguration identity "
    "upgradePolicy certificateReferences targetNodeCommunicationMode currentNodeCommunicationMode "
    "resourceTags"
)

_start_task = record(
    {
        "commandLine": text,
        "containerSettings": container_settings,
        "resourceFiles": resource_files,
        "environmentSettings": environment_settings,
        "userIdentity": user_identity,
        "maxTaskRetryCount": integer(-1),
        "waitForSuccess": boolean,
    },
    frozenset({"commandLine"}),
)

#: How tasks are spread where nothing else is said (recording of the real service).
DEFAULT_SCHEDULING: Final[Mapping[str, str]] = {"nodeFillType": "Spread", "jobDefaultOrder": "none"}

#: How each property of a pool, and of the specification of an automatic pool, is read.
POOL_READERS: Final[Mapping[str, Reader]] = {
    "displayName": display_name,
    "vmSize": lowered_text,
    "virtualMachineConfiguration": virtual_machine,
    "networkConfiguration": network_configuration,
    "resizeTimeout": resize_timeout,
    "targetDedicatedNodes": integer(0, 1000),
    "targetLowPriorityNodes": integer(0, 1000),
    "enableAutoScale": boolean,
    "autoScaleFormula": formula,
    "autoScaleEvaluationInterval": evaluation_interval,
    "enableInterNodeCommunication": boolean,
    "startTask": with_command(_start_task),
    "applicationPackageReferences": package_references,
    "taskSlotsPerNode": integer(1, 256),
    "taskSchedulingPolicy": record(
        {
            "nodeFillType": one_of("Spread", "Pack"),
            "jobDefaultOrder": one_of("none", "creationtime"),
        }
    ),
    "userAccounts": user_accounts,
    "metadata": metadata,
    "mountConfiguration": mount_configuration,
}

_pool = resource({"id": resource_id, **POOL_READERS}, frozenset({"id", "vmSize"}))
_pool_specification = resource(POOL_READERS, frozenset({"vmSize"}))


def read_pool(body: Document) -> Document:
    """Return the stored properties of a new pool: validated, with the service's defaults."""
    return _with_defaults(_pool("", body))


def read_pool_specification(name: str, value: object) -> Document:
    """Return the stored properties of an automatic pool, as `read_pool` does for others."""
    return _with_defaults(_pool_specification(name, value))


def _with_defaults(pool: Document) -> Document:
    given = pool
    pool = {
        "resizeTimeout": "PT15M",
        "targetDedicatedNodes": 0,
        "targetLowPriorityNodes": 0,
        "enableAutoScale": False,
        "enableInterNodeCommunication": False,
        "taskSlotsPerNode": 1,
        **pool,
    }
    pool["taskSchedulingPolicy"] = {
        **DEFAULT_SCHEDULING,
        **pool.get("taskSchedulingPolicy", {}),
    }
    check_settings(pool, given)
    if pool["enableAutoScale"]:
        pool.setdefault("autoScaleEvaluationInterval", DEFAULT_INTERVAL)
    check_customer_managed_key(pool)
    return finished(pool)


def finished(pool: Document) -> Document:
    """Complete a pool's properties as they are read: with the start task's defaults, without secrets."""
    if "startTask" in pool:
        defaults = {"userIdentity": DEFAULT_USER, "maxTaskRetryCount": 0, "waitForSuccess": True}
        pool["startTask"] = {**defaults, **pool["startTask"]}
    return with_user_defaults(without_secrets(pool))


def pool_on_wire(row: PoolRow, counts: tuple[int, int], endpoint: str) -> Document:
    """Return a pool as the service shows it; `counts` are its dedicated and spot nodes."""
    pool = {
        "id": row.id,
        "url": f"{endpoint}/pools/{row.id}",
        "eTag": etag_of(row.modified),
        "lastModified": row.modified,
        "creationTime": row.created,
        "state": row.state,
        "stateTransitionTime": row.state_time,
        "allocationState": row.allocation_state,
        "allocationStateTransitionTime": row.allocation_time,
        "currentDedicatedNodes": counts[0],
        "currentLowPriorityNodes": counts[1],
        **json.loads(row.document),
    }
    # Tags are for Azure Resource Manager alone: the SDK's model has none.
    pool.pop("tags", None)
    if row.resize_errors is not None:
        pool["resizeErrors"] = json.loads(row.resize_errors)
    if row.auto_scale_run is not None:
        pool["autoScaleRun"] = json.loads(row.auto_scale_run)
    return pool
