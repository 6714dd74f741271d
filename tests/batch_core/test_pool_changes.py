"""What `setup` and health say of a pool that is not as settings and routes describe it now."""

import asyncio
from dataclasses import replace

import pytest

from batch_core.cli import provision
from batch_core.config.pools import Pool, settings_pool
from batch_core.config.settings import Settings
from batch_core.http.health import check_health
from batch_core.pool_changes import pool_change
from batch_core.services.batch_reading import pool_machine
from batch_core.services.provisioning import pool_options
from tests.batch_core.steps import with_routes
from tests.batch_emulator.control_client import faults

FIRST = """
[pools.ID]
nodes = 0
vm_size = "standard_d2s_v3"
slots_per_node = 2
start_task = { command = "/bin/true --token verysecret" }
container_images = ["ubuntu:24.04", "python:3.13"]
"""
GALLERY = "/subscriptions/1/resourceGroups/g/providers/Microsoft.Compute/galleries/g/images/tools/versions/1.0.0"
END = ": delete the pool to change that"


async def checks_of(app):
    return {check.name: (check.is_ok, check.detail) for check in await check_health(app)}


@pytest.fixture
async def pool_id(app, tmp_path):
    """A pool that was made as `FIRST` says."""
    pool_id = f"{app.settings.pool.id}-big"
    resource = provision.resources(with_routes(app, tmp_path / "routes.toml", FIRST.replace("ID", pool_id)))[-1]
    await provision.make(resource)
    async with asyncio.timeout(30):
        while not (await app.batch.pool_status(pool_id)).is_steady:
            await asyncio.sleep(0.05)
    yield pool_id
    await provision.remove(resource)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("slots_per_node = 2", "slots_per_node = 4", "slots_per_node 2, routes.toml says 4"),
        ("d2s_v3", "d4s_v3", "vm_size standard_d2s_v3, routes.toml says standard_d4s_v3"),
        (
            "nodes = 0",
            'image = "microsoft-dsvm:ubuntu-hpc:2204:latest"',
            "image microsoft-dsvm:ubuntu-hpc:2404:latest, routes.toml says microsoft-dsvm:ubuntu-hpc:2204:latest",
        ),
        (
            "nodes = 0",
            f'image = "{GALLERY}"',
            f"image microsoft-dsvm:ubuntu-hpc:2404:latest, routes.toml says {GALLERY}",
        ),
        (
            "nodes = 0",
            'node_agent = "batch.node.ubuntu 22.04"',
            "node_agent batch.node.ubuntu 24.04, routes.toml says batch.node.ubuntu 22.04",
        ),
        ('"ubuntu:24.04", ', "", "other container_images than routes.toml says"),
        ("verysecret", "othersecret", "another start_task than routes.toml says"),
        ('start_task = { command = "/bin/true --token verysecret" }', "", "a start_task, routes.toml says none"),
        (
            "slots_per_node = 2\nstart_task",
            "start_task",
            "slots_per_node 2, routes.toml says 1",
        ),
        (
            'vm_size = "standard_d2s_v3"\nslots_per_node = 2',
            'vm_size = "standard_d4s_v3"\nslots_per_node = 4',
            "vm_size standard_d2s_v3, routes.toml says standard_d4s_v3; it has slots_per_node 2, routes.toml says 4",
        ),
    ],
)
async def test_a_pool_that_was_changed_in_the_file_is_named_with_what_differs(app, tmp_path, pool_id, old, new, words):
    assert FIRST.count(old) == 1
    changed = with_routes(app, tmp_path / "routes.toml", FIRST.replace(old, new).replace("ID", pool_id))
    note = f"pool {pool_id} has {words}{END}"
    assert [one for one in await provision.pool_notes(changed) if one.startswith(f"pool {pool_id} has")] == [note]
    is_ok, detail = (await checks_of(changed))[f"pool {pool_id}"]
    assert detail.endswith(f"; {note}")
    assert (
        is_ok
        == (await checks_of(with_routes(app, tmp_path / "same.toml", FIRST.replace("ID", pool_id))))[f"pool {pool_id}"][
            0
        ]
    )
    assert "secret" not in detail


async def test_nothing_is_said_of_a_pool_that_differs_in_nodes_or_letters_alone(app, tmp_path, pool_id):
    for old, new in [("", ""), ("nodes = 0", "scale = { min = 0, max = 3 }"), ("standard_d2s_v3", "STANDARD_D2S_V3")]:
        text = FIRST.replace(old, new).replace("ID", pool_id)
        same = with_routes(app, tmp_path / "routes.toml", text)
        assert await provision.pool_notes(same) == []
        assert "delete the pool" not in (await checks_of(same))[f"pool {pool_id}"][1]


async def test_nothing_is_said_of_a_pool_that_somebody_else_makes(app, tmp_path, pool_id):
    theirs = with_routes(app, tmp_path / "routes.toml", f"[pools.{pool_id}]\nexisting = true")
    assert await provision.pool_notes(theirs) == []
    assert "delete the pool" not in (await checks_of(theirs))[f"pool {pool_id}"][1]


async def test_of_the_settings_pool_the_setting_is_named(app):
    settings = replace(app.settings, pool=replace(app.settings.pool, task_slots_per_node=4))
    changed = replace(app, settings=settings)
    note = f"pool {app.settings.pool.id} has slots_per_node 1, POOL_TASK_SLOTS_PER_NODE says 4{END}"
    assert await provision.pool_notes(changed) == [note]
    is_ok, detail = (await checks_of(changed))["pool"]
    assert (is_ok, detail.endswith(f"; {note}")) == (True, True)


def machine_of(pool: Pool):
    return pool_machine(pool_options(pool))


def test_containers_that_the_settings_or_the_file_do_not_know(environment):
    app_settings = Settings.from_env(environment)
    file = app_settings.routes.file.name
    plain = settings_pool(app_settings.pool)
    rich = replace(plain, container_images=())
    assert pool_change(plain, machine_of(rich), app_settings) == (
        f"pool {plain.id} has container_images, the settings say none{END}"
    )
    assert pool_change(rich, machine_of(plain), app_settings) == (
        f"pool {plain.id} has no container_images, {file} says some{END}"
    )


async def test_a_pool_that_cannot_be_looked_at_is_left_to_its_own_check(app, batch_endpoint, pauses):
    changed = replace(app, settings=replace(app.settings, pool=replace(app.settings.pool, task_slots_per_node=4)))
    async with faults(batch_endpoint, {"operation": "get_pool", "answer": {"status": 403}}):
        assert await provision.pool_notes(changed) == []
