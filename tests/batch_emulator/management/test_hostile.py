"""Requests of Azure Resource Manager that nobody should send: none of them is answered with a 500."""

import random

import pytest

from batch_emulator.management.account import AccountOperations
from batch_emulator.management.routes import management_routes
from batch_emulator.settings import DEFAULT_ACCOUNT
from tests.batch_emulator.conftest import own_emulator
from tests.batch_emulator.hostile import request_for
from tests.batch_emulator.management.conftest import manager_of
from tests.batch_emulator.raw_http import RawConnection

OPERATIONS = management_routes(AccountOperations(name=DEFAULT_ACCOUNT, key=None))
IDENTITY = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i"
_MACHINE = {
    "imageReference": {"publisher": "canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": "latest"},
    "nodeAgentSkuId": "batch.node.ubuntu 24.04",
    "containerConfiguration": {"type": "DockerCompatible", "containerRegistries": [{"username": "u", "password": "p"}]},
    "osDisk": {"caching": "ReadOnly", "managedDisk": {"storageAccountType": "Premium_LRS"}},
    "extensions": [{"name": "e", "publisher": "p", "type": "t", "settings": {"scope": "task"}}],
}
_PROPERTIES = {
    "displayName": "d",
    "vmSize": "STANDARD_D2S_V3",
    "deploymentConfiguration": {"virtualMachineConfiguration": _MACHINE},
    "interNodeCommunication": "Enabled",
    "taskSlotsPerNode": 2,
    "taskSchedulingPolicy": {"nodeFillType": "Pack", "jobDefaultOrder": "CreationTime"},
    "userAccounts": [{"name": "u", "password": "p", "elevationLevel": "Admin"}],
    "metadata": [{"name": "a", "value": "b"}],
    "applicationPackages": [],
    "networkConfiguration": {"dynamicVnetAssignmentScope": "job", "endpointConfiguration": {"inboundNatPools": []}},
    "startTask": {"commandLine": "/bin/true", "userIdentity": {"userName": "u"}},
    "mountConfiguration": [{"azureBlobFileSystemConfiguration": {"accountName": "a", "containerName": "c"}}],
}
_FIXED = {"targetDedicatedNodes": 1, "targetLowPriorityNodes": 0, "nodeDeallocationOption": "TaskCompletion"}
_BODIES = [
    {
        "properties": {**_PROPERTIES, "scaleSettings": {"fixedScale": {**_FIXED, "resizeTimeout": "PT15M"}}},
        "identity": {"type": "UserAssigned", "userAssignedIdentities": {IDENTITY: {}}},
        "tags": {"a": "b"},
    },
    {
        "properties": {
            "vmSize": "standard_d2s_v3",
            "scaleSettings": {"autoScale": {"formula": "$TargetDedicatedNodes=0", "evaluationInterval": "PT5M"}},
        }
    },
]
#: What is not there, and "You cannot call this API for the same Pool more than once every 30 seconds".
OWN = {(501, "NotImplemented"), (503, "TooManyEnableAutoScaleRequests")}
#: Most of what can go wrong does so where a pool is described.
OFTEN = [*OPERATIONS, *[each for each in OPERATIONS if each.name in {"pool.create", "pool.update"}] * 6]
BODIES = {"pool.create": _BODIES, "pool.update": _BODIES}


@pytest.mark.parametrize("seed", range(3))
async def test_no_request_gets_a_500_or_breaks_a_pool(seed):
    dice = random.Random(seed)
    ids = {
        "subscription": ["s"],
        "group": ["g"],
        "account": [DEFAULT_ACCOUNT],
        "pool": ["pool-1", "pool-2"],
        "operation": ["delete-pool-1", "other"],
    }
    made = 0
    async with own_emulator() as url, RawConnection(url) as connection, manager_of(url) as manager:
        for _ in range(1000):
            operation = dice.choice(OFTEN)
            sent = request_for(operation, dice, ids, BODIES)
            answer = await connection.ask(*sent)
            made += answer.status == 200 and operation.name == "pool.create"
            error = answer.body["error"]["code"] if isinstance(answer.body, dict) and answer.status >= 400 else ""
            is_own = (answer.status, error) in OWN
            assert answer.status < 500 or is_own, (operation.name, str(sent)[:3000], answer)
        # All of them can be shown.
        names = [pool.name async for pool in manager.pool.list_by_batch_account("g", DEFAULT_ACCOUNT)]
    assert made > 2
    assert len(names) == len(set(names))
