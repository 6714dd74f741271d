"""Pools by Azure Resource Manager, with azure-mgmt-batch.

Recording of azure-mgmt-batch: `test_mgmt_batch_pools`.
"""

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceModifiedError, ResourceNotFoundError
from azure.mgmt.batch import models as m

from tests.batch_emulator.conftest import new_id, until
from tests.batch_emulator.management.conftest import ACCOUNT, SUBSCRIPTION

MACHINE = m.DeploymentConfiguration(
    virtual_machine_configuration=m.VirtualMachineConfiguration(
        image_reference=m.ImageReference(publisher="canonical", offer="ubuntu-24_04-lts", sku="server"),
        node_agent_sku_id="batch.node.ubuntu 24.04",
        data_disks=[m.DataDisk(lun=0, disk_size_gb=10, caching="ReadOnly")],
        container_configuration=m.ContainerConfiguration(
            type="DockerCompatible",
            container_registries=[m.ContainerRegistry(user_name="me", password="secret", registry_server="r.io")],
        ),
    )
)
IDENTITY = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/nodes"
)


def fixed(dedicated=0, spot=0, **options):
    scale = m.FixedScaleSettings(target_dedicated_nodes=dedicated, target_low_priority_nodes=spot, **options)
    return m.ScaleSettings(fixed_scale=scale)


def auto(formula="$TargetDedicatedNodes=0", **options):
    return m.ScaleSettings(auto_scale=m.AutoScaleSettings(formula=formula, **options))


def pool(scale=None, identity=None, tags=None, **properties):
    properties = {"vm_size": "Standard_D2s_v3", "deployment_configuration": MACHINE, **properties}
    shown = m.PoolProperties(scale_settings=scale or fixed(), **properties)
    return m.Pool(properties=shown, identity=identity, tags=tags)


def changes(**properties):
    return m.Pool(properties=m.PoolProperties(**properties))


async def steady(manager, name):
    async def look():
        found = await manager.pool.get(*ACCOUNT, name)
        return found if found.properties.allocation_state == "Steady" else None

    return await until(look)


async def made(manager, *args, **options):
    name = new_id("pool")
    await manager.pool.create(*ACCOUNT, name, pool(*args, **options))
    await steady(manager, name)
    return name


async def refused(operation, code):
    with pytest.raises(HttpResponseError) as refusal:
        await operation
    assert refusal.value.error.code == code
    return refusal.value


async def test_a_new_pool_is_shown_as_recordings_show_it(manager):
    name = new_id("pool")
    start = m.StartTask(
        command_line="/bin/true",
        user_identity=m.UserIdentity(auto_user=m.AutoUserSpecification(elevation_level="Admin")),
    )
    users = [m.UserAccount(name="UserName", password="p@55wOrd")]
    made = await manager.pool.create(
        *ACCOUNT, name, pool(display_name="test_pool", start_task=start, user_accounts=users)
    )
    shown = made.as_dict()
    account = (
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-tests/providers/Microsoft.Batch/batchAccounts/{ACCOUNT[1]}"
    )
    properties = shown.pop("properties")
    created, etag = properties["creationTime"], shown["etag"]
    assert etag.startswith('W/"0x8D')
    assert shown == {
        "id": f"{account}/pools/{name}",
        "name": name,
        "type": "Microsoft.Batch/batchAccounts/pools",
        "etag": etag,
    }
    machine = properties.pop("deploymentConfiguration")["virtualMachineConfiguration"]
    assert machine["nodeAgentSkuId"] == "batch.node.ubuntu 24.04"
    assert machine["imageReference"]["version"] == "latest"
    assert machine["dataDisks"][0]["caching"] == "ReadOnly"
    assert machine["dataDisks"][0]["managedDisk"]["storageAccountType"] == "Standard_LRS"
    assert machine["containerConfiguration"] == {
        "type": "DockerCompatible",
        "containerRegistries": [{"username": "me", "registryServer": "r.io"}],
    }
    assert properties == {
        "displayName": "test_pool",
        "lastModified": created,
        "creationTime": created,
        "provisioningState": "Succeeded",
        "provisioningStateTransitionTime": created,
        "allocationState": "Resizing",
        "allocationStateTransitionTime": created,
        "vmSize": "STANDARD_D2S_V3",
        "interNodeCommunication": "Disabled",
        "taskSlotsPerNode": 1,
        "taskSchedulingPolicy": {"nodeFillType": "Spread", "jobDefaultOrder": "None"},
        "scaleSettings": {
            "fixedScale": {"targetDedicatedNodes": 0, "targetLowPriorityNodes": 0, "resizeTimeout": "PT15M"}
        },
        "startTask": {
            "commandLine": "/bin/true",
            "userIdentity": {"autoUser": {"elevationLevel": "Admin"}},
            "maxTaskRetryCount": 0,
            "waitForSuccess": True,
        },
        "userAccounts": [{"name": "UserName", "elevationLevel": "NonAdmin"}],
        "resizeOperationStatus": {
            "targetDedicatedNodes": 0,
            "nodeDeallocationOption": "Requeue",
            "resizeTimeout": "PT15M",
            "startTime": created,
        },
        "currentDedicatedNodes": 0,
        "currentLowPriorityNodes": 0,
    }


async def test_a_pool_made_here_runs_tasks_of_the_service(manager, batch):
    name = await made(manager, fixed(1), start_task=m.StartTask(command_line="/bin/sh -c 'echo > started'"))
    job = await batch.job(name)
    await batch.run(job, "/bin/sh -c 'cat $AZ_BATCH_NODE_STARTUP_DIR/wd/started; echo done'")
    assert await batch.output(job) == "\ndone\n"
    seen = await batch.client.get_pool(name)
    assert (seen.vm_size, seen.target_dedicated_nodes) == ("standard_d2s_v3", 1)
    assert (await manager.pool.get(*ACCOUNT, name)).properties.current_dedicated_nodes == 1


async def test_a_pool_of_the_service_is_seen_here(manager, batch):
    name = await batch.pool(0, enable_inter_node_communication=True, metadata=[{"name": "a", "value": "b"}])
    seen = await manager.pool.get(*ACCOUNT, name)
    assert seen.properties.inter_node_communication == "Enabled"
    assert [(one.name, one.value) for one in seen.properties.metadata] == [("a", "b")]
    assert seen.etag == f'W/"{(await batch.client.get_pool(name)).etag}"'


async def test_identities_are_shown_here_and_there(manager, batch):
    identity = m.BatchPoolIdentity(type="UserAssigned", user_assigned_identities={IDENTITY: m.UserAssignedIdentities()})
    name = await made(manager, identity=identity, tags={"team": "a"})
    seen = await manager.pool.get(*ACCOUNT, name)
    assert seen.tags == {"team": "a"}
    assert list(seen.identity.user_assigned_identities) == [IDENTITY]
    principal = seen.identity.user_assigned_identities[IDENTITY]
    there = (await batch.client.get_pool(name)).identity
    (shown,) = there.user_assigned_identities
    assert (there.type, shown.resource_id) == ("UserAssigned", IDENTITY)
    assert (shown.principal_id, shown.client_id) == (principal.principal_id, principal.client_id)
    assert len({principal.principal_id, principal.client_id}) == 2
    await manager.pool.update(*ACCOUNT, name, m.Pool(identity=m.BatchPoolIdentity(type="None")))
    assert (await manager.pool.get(*ACCOUNT, name)).identity is None


async def test_a_formula_sets_the_size_and_is_recorded_with_its_run(manager):
    name = await made(manager)
    seen = (await manager.pool.update(*ACCOUNT, name, changes(scale_settings=auto()))).properties
    assert seen.scale_settings.as_dict() == {
        "autoScale": {"formula": "$TargetDedicatedNodes=0", "evaluationInterval": "PT15M"}
    }
    results = "$TargetDedicatedNodes=0;$TargetLowPriorityNodes=0;$NodeDeallocationOption=requeue"
    assert seen.auto_scale_run.results == results
    assert seen.resize_operation_status is None
    await steady(manager, name)
    seen = (await manager.pool.disable_auto_scale(*ACCOUNT, name)).properties
    assert seen.scale_settings.auto_scale is None


async def test_a_pool_with_a_formula_gets_targets_again(manager):
    name = await made(manager, auto("$TargetDedicatedNodes=1"))
    await manager.pool.update(*ACCOUNT, name, changes(scale_settings=fixed(2, 1)))
    seen = (await steady(manager, name)).properties
    assert (seen.current_dedicated_nodes, seen.current_low_priority_nodes) == (2, 1)


async def test_the_same_template_again_changes_nothing(manager):
    whole = pool(fixed(1), tags={"a": "b"}, metadata=[m.MetadataItem(name="a", value="b")])
    name = new_id("pool")
    await manager.pool.create(*ACCOUNT, name, whole)
    before = await steady(manager, name)
    again = await manager.pool.create(*ACCOUNT, name, whole)
    assert again == before
    sent_back = await manager.pool.create(*ACCOUNT, name, before)
    assert sent_back == before


async def test_what_a_pool_with_nodes_keeps_cannot_be_updated(manager):
    name = await made(manager, fixed(1))
    error = await refused(
        manager.pool.update(*ACCOUNT, name, changes(inter_node_communication="Enabled")), "PropertyCannotBeUpdated"
    )
    assert error.status_code == 400
    details = {one.code: one.message for one in error.error.details}
    assert details["PropertyPath"] == "properties.interNodeCommunication"
    await manager.pool.update(*ACCOUNT, name, changes(start_task=m.StartTask(command_line="/bin/false"), metadata=[]))
    assert (await manager.pool.get(*ACCOUNT, name)).properties.start_task.command_line == "/bin/false"


async def test_an_empty_pool_takes_all_changes(manager):
    name = await made(manager)
    await manager.pool.update(*ACCOUNT, name, changes(vm_size="Standard_D4s_v3", task_slots_per_node=4))
    seen = (await manager.pool.get(*ACCOUNT, name)).properties
    assert (seen.vm_size, seen.task_slots_per_node) == ("STANDARD_D4S_V3", 4)


async def test_a_resize_is_stopped(manager, held):
    held("allocation._SEARCH")
    name = new_id("pool")
    await manager.pool.create(*ACCOUNT, name, pool(fixed(1)))
    assert (await manager.pool.stop_resize(*ACCOUNT, name)).properties.allocation_state == "Stopping"
    seen = (await steady(manager, name)).properties
    assert seen.resize_operation_status.errors[0].code == "ResizeStopped"
    await refused(manager.pool.stop_resize(*ACCOUNT, name), "OperationInvalidForCurrentState")


async def test_a_deletion_is_waited_for(manager, batch):
    name = await made(manager, fixed(1))
    poller = await manager.pool.begin_delete(*ACCOUNT, name, polling_interval=0.05)
    assert (await manager.pool.get(*ACCOUNT, name)).properties.provisioning_state == "Deleting"
    await poller.result()
    with pytest.raises(ResourceNotFoundError) as missing:
        await manager.pool.get(*ACCOUNT, name)
    assert missing.value.error.code == "PoolNotFound"
    with pytest.raises(ResourceNotFoundError):
        await batch.client.get_pool(name)
    # Of what is not there.
    await (await manager.pool.begin_delete(*ACCOUNT, name, polling_interval=0.05)).result()


async def test_a_version_is_asked_for(manager):
    name = await made(manager)
    seen = await manager.pool.get(*ACCOUNT, name)
    new = changes(metadata=[m.MetadataItem(name="a", value="b")])
    matching = {"etag": seen.etag, "match_condition": MatchConditions.IfNotModified}
    await manager.pool.update(*ACCOUNT, name, new, **matching)
    with pytest.raises(ResourceModifiedError):
        await manager.pool.update(*ACCOUNT, name, changes(metadata=[]), **matching)
    with pytest.raises(HttpResponseError, match="ConditionNotMet"):
        await manager.pool.create(*ACCOUNT, name, pool(), match_condition=MatchConditions.IfMissing)
    with pytest.raises(HttpResponseError, match="ConditionNotMet"):
        await manager.pool.create(*ACCOUNT, new_id("pool"), pool(), etag="*", match_condition=MatchConditions.IfPresent)


async def test_pools_are_listed_by_page_and_by_filter(manager):
    names = {await made(manager, display_name="listed") for _ in range(3)}
    listed = [one async for one in manager.pool.list_by_batch_account(*ACCOUNT, maxresults=2)]
    assert names <= {one.name for one in listed}
    name = min(names)
    found = [one.name async for one in manager.pool.list_by_batch_account(*ACCOUNT, filter=f"name eq '{name}'")]
    assert found == [name]
    with pytest.raises(HttpResponseError, match="InvalidQueryParameterValue"):
        [one async for one in manager.pool.list_by_batch_account(*ACCOUNT, filter="colour eq 'red'")]
    with pytest.raises(HttpResponseError, match="shows all of a pool"):
        [one async for one in manager.pool.list_by_batch_account(*ACCOUNT, select="properties/vmSize")]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (changes(deployment_configuration=MACHINE), "vmSize"),
        (pool(m.ScaleSettings(fixed_scale={}, auto_scale={"formula": "$TargetDedicatedNodes=0"})), "not both"),
        (pool(fixed(5000)), "properties.scaleSettings.fixedScale.targetDedicatedNodes"),
        (pool(auto("$TargetDedicatedNodes=")), "AutoScalingFormulaSyntaxError"),
        (pool(identity=m.BatchPoolIdentity(type="UserAssigned")), "identity.userAssignedIdentities"),
        (pool(task_slots_per_node=1000), "taskSlotsPerNode"),
        ({"properties": []}, "properties"),
        ({"properties": {"deploymentConfiguration": 7}}, "properties.deploymentConfiguration"),
        ({"properties": {"scaleSettings": {"fixedScale": "x"}}}, "properties.scaleSettings.fixedScale"),
        ({"properties": {"applicationPackages": {}}}, "properties.applicationPackages"),
        ({"identity": "x"}, "identity"),
        ({"tags": {"a": 1}}, "tags.a"),
    ],
)
async def test_what_is_wrong_is_named(manager, body, named):
    with pytest.raises(HttpResponseError, match=named) as refusal:
        await manager.pool.create(*ACCOUNT, new_id("pool"), body)
    assert refusal.value.status_code == 400
    assert refusal.value.error.message


async def test_hostile_names_make_no_pool(manager):
    for name in ("a b", "..", "a%2fb", "é", "x" * 65):
        with pytest.raises(HttpResponseError):
            await manager.pool.create(*ACCOUNT, name, pool())
