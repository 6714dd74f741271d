"""What a pool says of its machines, network and mounts: completed and refused as in recordings of the real service."""

import pytest

from tests.batch_emulator.conftest import new_id, until
from tests.batch_emulator.signed import send, values

LINUX = {
    "nodeAgentSKUId": "batch.node.ubuntu 22.04",
    "imageReference": {"publisher": "Canonical", "offer": "0001-com-ubuntu-server-jammy", "sku": "22_04-lts"},
}
WINDOWS = LINUX | {"nodeAgentSKUId": "batch.node.windows amd64"}
NAT_POOL = {
    "name": "TestEndpointConfig",
    "protocol": "tcp",
    "backendPort": 3389,
    "frontendPortRangeStart": 15000,
    "frontendPortRangeEnd": 15100,
}
RULE = {"priority": 150, "access": "allow", "sourceAddressPrefix": "*"}


async def create(url, **properties):
    pool_id = new_id("defined")
    answer = await send(url, "POST", "/pools", body={"id": pool_id, "vmSize": "standard_d2_v2", **properties})
    return pool_id, answer


async def shown(url, name, **properties):
    """Create a pool and return one of its properties."""
    pool_id, answer = await create(url, **properties)
    assert answer.status == 201, answer.body
    return (await send(url, "GET", f"/pools/{pool_id}")).body[name]


async def test_an_image_is_the_latest_where_no_version_is_named(url):
    """`test_batch_create_pools`."""
    machine = await shown(url, "virtualMachineConfiguration", virtualMachineConfiguration=LINUX)
    assert machine["imageReference"] == LINUX["imageReference"] | {"version": "latest"}


async def test_disks_are_completed(url):
    disks = {
        "osDisk": {"caching": "readwrite", "managedDisk": {"diskEncryptionSet": {"id": "o"}}},
        "dataDisks": [
            {"lun": 1, "diskSizeGB": 50},
            {"lun": 2, "diskSizeGB": 5, "managedDisk": {"diskEncryptionSet": {"id": "e"}}},
        ],
    }
    machine = await shown(url, "virtualMachineConfiguration", virtualMachineConfiguration=LINUX | disks)
    assert machine["osDisk"] == {
        "ephemeralOSDiskSettings": {},
        "caching": "ReadWrite",
        "managedDisk": {"storageAccountType": "standard_lrs", "diskEncryptionSet": {"id": "o"}},
    }
    assert machine["dataDisks"] == [
        {"lun": 1, "caching": "none", "diskSizeGB": 50, "managedDisk": {"storageAccountType": "standard_lrs"}},
        {
            "lun": 2,
            "caching": "none",
            "diskSizeGB": 5,
            "managedDisk": {"storageAccountType": "standard_lrs", "diskEncryptionSet": {"id": "e"}},
        },
    ]


async def test_users_are_no_administrators_and_log_on_to_windows_for_batch_work(url):
    """`should_get_a_pool_reference_with_odata` (Windows)."""
    users = [{"name": "a", "password": "secret"}, {"name": "b", "password": "secret", "elevationLevel": "admin"}]
    linux = await shown(url, "userAccounts", virtualMachineConfiguration=LINUX, userAccounts=users)
    assert linux == [{"name": "a", "elevationLevel": "nonadmin"}, {"name": "b", "elevationLevel": "admin"}]
    windows = await shown(url, "userAccounts", virtualMachineConfiguration=WINDOWS, userAccounts=users)
    assert windows == [user | {"windowsUserConfiguration": {"loginMode": "batch"}} for user in linux]


async def test_a_network_is_completed(url):
    network = {"endpointConfiguration": {"inboundNATPools": [NAT_POOL | {"networkSecurityGroupRules": [RULE]}]}}
    assert await shown(url, "networkConfiguration", networkConfiguration=network) == {
        "dynamicVNetAssignmentScope": "none",
        "enableAcceleratedNetworking": False,
        "endpointConfiguration": {
            "inboundNATPools": [NAT_POOL | {"networkSecurityGroupRules": [RULE | {"sourcePortRanges": ["*"]}]}]
        },
    }


async def test_mounts_are_shown_without_their_secrets(url):
    blobs = {"accountName": "test", "containerName": "c", "relativeMountPath": "foo"}
    mount = {"azureBlobFileSystemConfiguration": blobs | {"accountKey": "secret", "sasKey": "secret"}}
    assert await shown(url, "mountConfiguration", mountConfiguration=[mount]) == [
        {"azureBlobFileSystemConfiguration": blobs}
    ]


NOWHERE = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/test"
IMAGE = f"{NOWHERE}/providers/Microsoft.Compute/gallery/FakeGallery/images/FakeImage/versions/version"
SUBNET = f"{NOWHERE}/providers/Microsoft.Network/virtualNetworks/vnet1/subnets/subnet1"


@pytest.mark.parametrize(
    ("name", "value", "properties"),
    [
        (
            "virtualMachineImageId",
            IMAGE,
            {"virtualMachineConfiguration": LINUX | {"imageReference": {"virtualMachineImageId": IMAGE}}},
        ),
        ("subnetId", SUBNET, {"networkConfiguration": {"subnetId": SUBNET}}),
        (
            "networkConfiguration.endpointConfiguration.inboundNATPools[0].frontendPortRangeEnd",
            "14000",
            {
                "networkConfiguration": {
                    "endpointConfiguration": {"inboundNATPools": [NAT_POOL | {"frontendPortRangeEnd": 14000}]}
                }
            },
        ),
        ("mountConfiguration[0]", "", {"mountConfiguration": [{}]}),
    ],
)
async def test_what_the_service_refuses_is_refused(url, name, value, properties):
    """`test_batch_create_pools` (image and subnet)."""
    _, answer = await create(url, **properties)
    assert (answer.status, answer.body["code"]) == (400, "InvalidPropertyValue")
    assert (values(answer)["PropertyName"], values(answer)["PropertyValue"]) == (name, value)


MANAGED = f"{NOWHERE}/providers/Microsoft.Compute/images/x"


@pytest.mark.parametrize("image", [IMAGE.replace("/gallery/", "/galleries/"), MANAGED])
async def test_images_of_galleries_and_managed_images_are_taken(url, image):
    machine = LINUX | {"imageReference": {"virtualMachineImageId": image}}
    _, answer = await create(url, virtualMachineConfiguration=machine)
    assert answer.status == 201


async def test_a_nat_pool_that_is_not_complete_is_refused_at_once(url):
    network = {"endpointConfiguration": {"inboundNATPools": [{"name": "x"}]}}
    _, answer = await create(url, networkConfiguration=network)
    assert (answer.status, answer.body["code"]) == (400, "MissingRequiredProperty")


def with_machine(**properties):
    return {"virtualMachineConfiguration": LINUX | properties}


MINE = SUBNET.replace(NOWHERE, "/subscriptions/mine/resourceGroups/test")
NFS = {"source": "s", "relativeMountPath": "m"}


@pytest.mark.parametrize(
    ("code", "properties"),
    [
        ("InvalidPropertyValue", {"networkConfiguration": {"subnetId": "somewhere"}}),
        ("InvalidPropertyValue", {"networkConfiguration": {"endpointConfiguration": []}}),
        ("InvalidPropertyValue", {"networkConfiguration": {"publicIPAddressConfiguration": {"ipFamilies": "IPv6"}}}),
        ("InvalidPropertyValue", with_machine(imageReference={"virtualMachineImageId": "mine"})),
        ("InvalidPropertyValue", with_machine(extensions=["e"])),
        ("MissingRequiredProperty", with_machine(extensions=[{"name": "e", "publisher": "p"}])),
        ("InvalidPropertyValue", with_machine(dataDisks=[{"lun": 1, "diskSizeGB": 5, "caching": "often"}])),
        ("InvalidPropertyValue", with_machine(osDisk={"managedDisk": {"storageAccountType": "tape"}})),
        ("MissingRequiredProperty", with_machine(nodeAgentSKUId=None)),
        ("MissingRequiredProperty", with_machine(imageReference=None)),
        ("MissingRequiredProperty", {"mountConfiguration": [{"nfsMountConfiguration": {"source": "s"}}]}),
        (
            "InvalidPropertyValue",
            {"mountConfiguration": [{"nfsMountConfiguration": NFS | {"relativeMountPath": "../x"}}]},
        ),
    ],
)
async def test_what_no_pool_can_have_is_refused(url, code, properties):
    _, answer = await create(url, **properties)
    assert (answer.status, answer.body["code"]) == (400, code)


async def test_enumerations_are_taken_in_any_case_and_shown_as_the_service_spells_them(url):
    disk = {"lun": 1, "diskSizeGB": 5, "caching": "ReadOnly", "managedDisk": {"storageAccountType": "StandardSSD_LRS"}}
    machine = await shown(url, "virtualMachineConfiguration", **with_machine(dataDisks=[disk]))
    assert machine["dataDisks"][0]["caching"] == "readonly"
    assert machine["dataDisks"][0]["managedDisk"] == {"storageAccountType": "standardssd_lrs"}
    given = {"dynamicVNetAssignmentScope": "Job", "publicIPAddressConfiguration": {"provision": "batchmanaged"}}
    network = await shown(url, "networkConfiguration", networkConfiguration=given)
    assert network["dynamicVNetAssignmentScope"] == "job"
    assert network["publicIPAddressConfiguration"] == {"provision": "BatchManaged"}


async def test_a_subnet_of_any_other_subscription_is_taken(url):
    network = await shown(url, "networkConfiguration", networkConfiguration={"subnetId": MINE})
    assert network["subnetId"] == MINE


async def test_a_mount_is_an_empty_directory_on_the_nodes(url, batch):
    nfs = {"nfsMountConfiguration": NFS | {"relativeMountPath": "data/in"}}
    pool_id, _ = await create(url, targetDedicatedNodes=1, mountConfiguration=[nfs])
    job = await batch.job(pool_id)
    await batch.run(job, "/bin/sh -c 'ls -d $AZ_BATCH_NODE_MOUNTS_DIR/data/in && ls $AZ_BATCH_NODE_MOUNTS_DIR/data/in'")
    assert (await batch.output(job)).endswith("/fsmounts/data/in\n")


KEY = {"keyUrl": "https://vault.example/keys/k/1", "identityReference": {"resourceId": "/identities/i"}}


@pytest.mark.parametrize(
    ("targets", "more", "name", "reason"),
    [
        (["osdisk"], {}, "identity", "Pool Identity is required"),
        (["temporarydisk"], {"identity": {"type": "UserAssigned"}}, "customerManagedKey", "OsDisk among the targets"),
        (None, {"identity": {"type": "UserAssigned"}}, "customerManagedKey", "OsDisk among the targets"),
    ],
)
async def test_a_customer_managed_key_that_the_pool_cannot_use_is_refused(url, targets, more, name, reason):
    encryption = {"customerManagedKey": KEY} | ({"targets": targets} if targets else {})
    machine = LINUX | {"diskEncryptionConfiguration": encryption}
    _, answer = await create(url, virtualMachineConfiguration=machine, **more)
    assert (answer.status, answer.body["code"]) == (400, "InvalidPropertyValue")
    assert values(answer)["PropertyName"].endswith(name)
    assert reason in values(answer)["Reason"]


async def test_a_pool_that_can_use_a_customer_managed_key_is_taken(url):
    machine = LINUX | {"diskEncryptionConfiguration": {"customerManagedKey": KEY, "targets": ["OsDisk"]}}
    _, answer = await create(url, virtualMachineConfiguration=machine, identity={"type": "UserAssigned"})
    assert answer.status == 201


async def test_a_change_gives_no_pool_a_key_that_it_cannot_use(url):
    pool_id, _ = await create(url, virtualMachineConfiguration=LINUX)

    async def is_steady() -> bool:
        return (await send(url, "GET", f"/pools/{pool_id}")).body["allocationState"] == "steady"

    await until(is_steady)
    machine = LINUX | {"diskEncryptionConfiguration": {"customerManagedKey": KEY, "targets": ["osdisk"]}}
    change = {"virtualMachineConfiguration": machine}
    assert (await send(url, "PATCH", f"/pools/{pool_id}", body=change)).status == 400
    assert (await send(url, "PATCH", f"/pools/{pool_id}", body={"virtualMachineConfiguration": LINUX})).status == 200
