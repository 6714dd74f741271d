"""What `setup` and health say of the images of pools."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from batch_core.cli import provision
from batch_core.http.health import check_health
from batch_core.pool_images import image_notes
from batch_core.services.batch_values import PoolMachine
from batch_core.services.supported_images import SupportedImage
from tests.batch_core.steps import later, with_routes
from tests.batch_emulator.control_client import faults

NOW = datetime(2026, 11, 30, tzinfo=UTC)
SERVER = "canonical:ubuntu-24_04-lts:server"
GEN1 = f"{SERVER}-gen1"
MACHINE = PoolMachine(
    vm_size="STANDARD_D2S_V3",
    image=SERVER,
    node_agent="batch.node.ubuntu 24.04",
    runs_containers=False,
)


@pytest.fixture
async def images(app) -> list[SupportedImage]:
    """As the service lists them."""
    return list(await app.images.all())


def notes_of(images, now=NOW, **machine):
    return [note.text for note in image_notes(replace(MACHINE, **machine), images, now)]


async def test_there_is_nothing_to_say_of_what_is_well(images):
    assert notes_of(images) == []
    assert notes_of(images, image="Canonical:Ubuntu-24_04-LTS:Server", node_agent="BATCH.node.ubuntu 24.04") == []
    hpc = "microsoft-dsvm:ubuntu-hpc:2404"
    assert notes_of(images, image=hpc, runs_containers=True) == []
    assert notes_of(images, image=None) == []


@pytest.mark.parametrize(
    ("machine", "note"),
    [
        ({"image": SERVER[:-1]}, f"Batch does not list the image {SERVER[:-1]}: did you mean {SERVER}?"),
        (
            {"node_agent": "batch.node.ubuntu 24.40"},
            "Batch has no node agent 'batch.node.ubuntu 24.40': did you mean batch.node.ubuntu 24.04?",
        ),
        (
            {"node_agent": "batch.node.ubuntu 22.04"},
            f"the node agent of {SERVER} is batch.node.ubuntu 24.04, not batch.node.ubuntu 22.04",
        ),
        ({"runs_containers": True}, f"the image {SERVER} cannot run containers"),
        (
            {"vm_size": "Standard_A2_v2"},
            f"machines of size Standard_A2_v2 boot images of generation 1 only, and {SERVER} is of generation 2",
        ),
        (
            {"vm_size": "Standard_D2ads_v6", "image": GEN1},
            f"machines of size Standard_D2ads_v6 boot images of generation 2 only, and {GEN1} is of generation 1",
        ),
    ],
)
async def test_what_batch_would_refuse_or_never_boot_is_said(images, machine, note):
    assert notes_of(images, **machine) == [note]


@pytest.mark.parametrize(
    ("vm_size", "generations"),
    [
        ("Standard_D2s_v3", {1, 2}),
        ("Standard_DS2_v2", {1, 2}),
        ("Standard_D2_v2", {1}),
        ("Standard_D2_v3", {1}),
        ("standard_e4_v3", {1}),
        ("Standard_A2m_v2", {1}),
        ("Standard_D2d_v4", {1, 2}),
        ("Standard_DC2s_v2", {2}),
        ("Standard_E16-4ads_v6", {2}),
        ("Standard_F4s_v2", {1, 2}),
    ],
)
async def test_sizes_boot_the_generations_of_the_documentation(images, vm_size, generations):
    assert {
        number for number, sku in ((1, GEN1), (2, SERVER)) if not notes_of(images, vm_size=vm_size, image=sku)
    } == generations


async def test_the_end_of_support_is_said_before_it_comes_and_is_trouble_then(images):
    jammy = {"image": "canonical:0001-com-ubuntu-server-jammy:22_04-lts", "node_agent": "batch.node.ubuntu 22.04"}
    assert notes_of(images, **jammy) == []
    (note,) = image_notes(replace(MACHINE, **jammy), images, NOW + timedelta(days=60))
    assert note.text == "Batch's support of batch.node.ubuntu 22.04 ends on 2027-06-30: choose a newer image"
    assert not note.is_trouble
    for image in (jammy["image"], None):
        (note,) = image_notes(replace(MACHINE, **jammy | {"image": image}), images, NOW + timedelta(days=400))
        assert note.text.startswith("Batch's support of batch.node.ubuntu 22.04 ended on 2027-06-30")
        assert note.is_trouble


async def test_setup_says_it_before_it_makes_a_pool(app, tmp_path):
    text = """
[pools.old]
image = "canonical:0001-com-ubuntu-server-focal:20_04-lts:latest"
node_agent = "batch.node.ubuntu 20.04"
[pools.theirs]
existing = true
"""
    (note,) = await provision.pool_notes(with_routes(app, tmp_path / "routes.toml", text))
    assert note.startswith("pool old: Batch's support of batch.node.ubuntu 20.04 ended on 2025-04-23")


async def test_health_says_it_of_the_pool_that_there_is(app):
    app = replace(app, now=lambda: datetime(2040, 1, 1, tzinfo=UTC))
    app.images._now = app.now
    app.images._found = [replace(one, support_ends=NOW) for one in await app.images.all()]
    (pool,) = [check for check in await check_health(app) if check.name == "pool"]
    assert not pool.is_ok
    assert "; Batch's support of batch.node.ubuntu 24.04 ended on 2026-11-30" in pool.detail


async def test_images_are_listed_once_an_hour_and_missed_by_nobody(app, calls, batch_endpoint, pauses):
    async def pool_check(app):
        return next(check for check in await check_health(app) if check.name == "pool")

    def lists():
        return [call for call in calls if call.path.endswith("/supportedimages")]

    await pool_check(app)
    await pool_check(app)
    assert len(lists()) == 1
    app.images._now = later(app, minutes=61).now
    async with faults(batch_endpoint, {"operation": "list_supported_images", "answer": {"status": 403}}):
        assert (await pool_check(app)).is_ok
        assert await provision.pool_notes(app) == []
    assert len(lists()) > 1


GALLERY = "/subscriptions/1/resourceGroups/group/providers/Microsoft.Compute/galleries/g/images/tools/versions/1.0.0"


@pytest.mark.parametrize(
    ("image", "property_name"),
    [
        (GALLERY, "virtualMachineImageId"),
        ("/SharedGalleries/1-gallery/Images/tools/Versions/latest", "sharedGalleryImageId"),
        ("/CommunityGalleries/gallery-1/Images/tools/Versions/1.0.0", "communityGalleryImageId"),
    ],
)
async def test_a_pool_can_have_an_image_of_ones_own(app, tmp_path, image, property_name):
    pool_id = f"{app.settings.pool.id}-own"
    routed = with_routes(app, tmp_path / "routes.toml", f'[pools.{pool_id}]\nimage = "{image}"\nnodes = 0')
    assert await provision.pool_notes(routed) == []
    resource = provision.resources(routed)[-1]
    await provision.make(resource)
    pool = await app.clients.batch.get_pool(pool_id)
    reference = pool.virtual_machine_configuration.image_reference
    assert (reference[property_name], reference.publisher) == (image, None)
    await provision.remove(resource)
