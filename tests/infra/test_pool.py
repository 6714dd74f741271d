"""The pool: Bicep makes it once and empty; the number of its nodes is the app's from then on."""

import re

from batch_core.config.settings import Settings
from tests.infra.bicep import FILES, properties, template, value_of

KNOWN = {"vmSize": "STANDARD_D2S_V3", "taskSlotsPerNode": 1}


def pool():
    return template("pool.bicep").resources["pool"]


def test_a_pool_that_exists_is_left_as_it_is_with_its_nodes():
    pools = [
        (file.name, one.decorators, one.is_nested)
        for file in FILES
        for one in template(file.name).resources.values()
        if one.resource_type == "Microsoft.Batch/batchAccounts/pools"
    ]
    # Bicep takes the decorator of a nested resource and deploys nothing then: Azure/bicep#18603.
    assert pools == [("pool.bicep", ("@onlyIfNotExists()",), False)]


def test_a_new_pool_has_no_nodes_and_costs_nothing():
    scale = value_of(properties(properties(pool().body)["properties"])["scaleSettings"], KNOWN)
    assert scale == {"fixedScale": {"targetDedicatedNodes": 0, "targetLowPriorityNodes": 0}}


def test_no_parameter_reaches_the_number_of_nodes():
    """The ceiling and Spot are settings of the app: changing them never touches the pool."""
    assert set(template("pool.bicep").of("parameter")) == {
        *("accountName", "poolName", "vmSize", "taskSlotsPerNode"),
        *("nodesIdentityId", "appPrincipalId", "principalId", "principalType"),
    }
    for file in FILES:
        assert not re.search(r"resizePool|\bformula\b|autoScale", file.read_text()), file.name


def test_its_nodes_are_somebody_and_run_the_image_that_the_app_would_choose():
    identity = value_of(properties(pool().body)["identity"], {"nodesIdentityId": "ID"})
    assert identity["type"] == "UserAssigned"
    machine = value_of(properties(properties(pool().body)["properties"])["deploymentConfiguration"], KNOWN)
    said = machine["virtualMachineConfiguration"]
    env = {
        "DATA_STORAGE": "UseDevelopmentStorage=true",
        "BATCH_ENDPOINT": "https://a.b.batch.azure.com",
        "BATCH_POOL_ID": "p",
    }
    default = Settings.from_env(env).pool
    assert ":".join(said["imageReference"].values()) == default.image
    assert said["nodeAgentSkuId"] == default.node_agent_sku
    default_size = template("main.bicep").of("parameter")["vmSize"].value
    assert value_of(default_size, {}) == default.vm_size
