"""Images that the service does not offer, or does not support any more."""

import pytest

from batch_emulator.server import running
from batch_emulator.settings import Settings
from tests.batch_emulator.conftest import new_id, until
from tests.batch_emulator.signed import send, values

OFFERED = ("canonical", "ubuntu-24_04-lts", "server", "batch.node.ubuntu 24.04")
#: That of Microsoft's quickstart for Python.
ENDED = ("canonical", "0001-com-ubuntu-server-focal", "20_04-lts", "batch.node.ubuntu 20.04")
UNKNOWN = ("debian", "debian-12", "12", "batch.node.ubuntu 24.04")
OWN_IMAGE = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g/providers/Microsoft.Compute/images/mine"
)


def machine(publisher, offer, sku, agent):
    image = {"publisher": publisher, "offer": offer, "sku": sku, "version": "latest"}
    return {"imageReference": image, "nodeAgentSKUId": agent}


def pool_of(virtual_machine):
    return {"id": new_id("image"), "vmSize": "small", "virtualMachineConfiguration": virtual_machine}


@pytest.fixture
async def strict():
    async with running(Settings(port=0, strict_images=True)) as url:
        yield url


@pytest.mark.parametrize(
    ("image", "name", "value", "reason"),
    [
        (ENDED, "imageReference", ":".join(ENDED[:3]), "The service's support ended on 2025-04-23"),
        (UNKNOWN, "imageReference", "debian:debian-12:12", "The service offers no such image"),
        (
            (*OFFERED[:3], "batch.node.el 9"),
            "imageReference",
            ":".join(OFFERED[:3]),
            "The node agent of this image is batch.node.ubuntu 24.04, not batch.node.el 9",
        ),
        (
            (*OFFERED[:3], "batch.node.plan9"),
            "nodeAgentSKUId",
            "batch.node.plan9",
            "The service offers no such node agent",
        ),
    ],
)
async def test_strictly_the_image_is_refused(strict, image, name, value, reason):
    answer = await send(strict, "POST", "/pools", body=pool_of(machine(*image)))
    assert (answer.status, answer.body["code"]) == (400, "InvalidPropertyValue")
    assert values(answer) == {"PropertyName": name, "PropertyValue": value, "Reason": reason}


async def test_strictly_what_is_offered_is_taken_in_any_case(strict):
    shouted = machine("Canonical", "UBUNTU-24_04-LTS", "Server", "batch.node.ubuntu 24.04")
    own = {"imageReference": {"virtualMachineImageId": OWN_IMAGE}, "nodeAgentSKUId": "batch.node.ubuntu 24.04"}
    for virtual_machine in (machine(*OFFERED), shouted, own):
        assert (await send(strict, "POST", "/pools", body=pool_of(virtual_machine))).status == 201


async def test_strictly_ones_own_image_needs_a_node_agent_that_has_not_ended(strict):
    own = {"imageReference": {"virtualMachineImageId": OWN_IMAGE}, "nodeAgentSKUId": "batch.node.ubuntu 20.04"}
    answer = await send(strict, "POST", "/pools", body=pool_of(own))
    assert (answer.status, values(answer)["PropertyName"]) == (400, "nodeAgentSKUId")


async def test_strictly_every_way_to_a_pool_is_looked_at(strict):
    pool = {"vmSize": "small", "virtualMachineConfiguration": machine(*ENDED)}
    info = {"poolInfo": {"autoPoolSpecification": {"poolLifetimeOption": "job", "pool": pool}}}
    schedule = {"id": new_id("image"), "schedule": {"recurrenceInterval": "P1D"}, "jobSpecification": info}
    assert (await send(strict, "POST", "/jobs", body={"id": new_id("image"), **info})).status == 400
    assert (await send(strict, "POST", "/jobschedules", body=schedule)).status == 400
    offered = pool_of(machine(*OFFERED))
    assert (await send(strict, "POST", "/pools", body=offered)).status == 201

    async def is_steady() -> bool:
        return (await send(strict, "GET", f"/pools/{offered['id']}")).body["allocationState"] == "steady"

    await until(is_steady)
    change = {"virtualMachineConfiguration": machine(*ENDED)}
    assert (await send(strict, "PATCH", f"/pools/{offered['id']}", body=change)).status == 400


async def test_otherwise_each_image_is_warned_of_once(caplog):
    async with running(Settings(port=0)) as url:
        for image in (OFFERED, ENDED, UNKNOWN, ENDED, UNKNOWN):
            assert (await send(url, "POST", "/pools", body=pool_of(machine(*image)))).status == 201
    said = [record.getMessage() for record in caplog.records if record.name == "batch_emulator.images"]
    assert len(said) == 2
    subject = "'canonical:0001-com-ubuntu-server-focal:20_04-lts (batch.node.ubuntu 20.04)'"
    reason = "The service's support ended on 2025-04-23"
    assert said[0] == f"A pool of the image {subject}: {reason}; --strict-images refuses it"
    assert "'debian:debian-12:12 (batch.node.ubuntu 24.04)': The service offers no such image" in said[1]


async def test_a_flood_of_unknown_images_does_not_flood_the_log(caplog):
    async with running(Settings(port=0)) as url:
        for number in range(110):
            body = pool_of(machine("nobody", "nothing", f"{number}\n{'x' * 300}", "batch.node.ubuntu 24.04"))
            assert (await send(url, "POST", "/pools", body=body)).status == 201
    said = [record.getMessage() for record in caplog.records if record.name == "batch_emulator.images"]
    assert len(said) == 100
    assert [line for line in said if "\n" in line or len(line) > 500] == []
