"""Headers, bodies and server-side defaults as in Microsoft's recordings of the real service.

The recordings: https://github.com/Azure/azure-sdk-assets. Those of python/sdk/batch were made in March 2025 with
api-version 2024-07-01.20.0; those of net/sdk/batch (`GetJobsFromSchedules` and other names without blanks) in
September 2025 and those of js/sdk/batch/batch (`should_...`) in February 2026, both with 2025-06-01, which counts
where they differ. Left out here: Strict-Transport-Security, which plain HTTP cannot have, and Server.
"""

from tests.batch_emulator.conftest import new_id
from tests.batch_emulator.signed import send

#: In every answer.
COMMON = {"dataserviceversion", "date", "request-id", "x-content-type-options"}
VERSION = {"etag", "last-modified"}
BODY = {"content-type"}
ADDRESS = {"dataserviceid"}
#: What any server adds to say where an answer ends.
FRAMING = {"content-length", "transfer-encoding", "server"}

UBUNTU = {
    "nodeAgentSKUId": "batch.node.ubuntu 22.04",
    "imageReference": {"publisher": "Canonical", "offer": "0001-com-ubuntu-server-jammy", "sku": "22_04-lts"},
}


def names(answer):
    return {name.lower() for name in answer.headers} - FRAMING - COMMON


async def ask(url, method, path, body=None):
    answer = await send(url, method, path, body=body)
    assert answer.status < 300, answer.body
    assert {name.lower() for name in answer.headers} >= COMMON
    return answer


def addressed(answer, url, path, version=frozenset(VERSION)):
    """Check that an answer names what was asked for, and has a version where one is expected."""
    assert names(answer) - BODY == ADDRESS | version
    assert answer.headers["DataServiceId"] == f"{url}{path}"


async def new_pool(url, **properties):
    pool_id = new_id("recorded")
    body = {"id": pool_id, "vmSize": "Standard_D2s_v3", "virtualMachineConfiguration": UBUNTU, **properties}
    await ask(url, "POST", "/pools", body)
    return pool_id


async def shown(url, **properties):
    """Create a pool and return what the service would show of it at once."""
    return (await ask(url, "GET", f"/pools/{await new_pool(url, **properties)}")).body
