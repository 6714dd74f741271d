import zipfile
from contextlib import asynccontextmanager

import pytest
from azure.batch.aio import BatchClient
from azure.batch.models import BatchApplicationPackageReference, BatchStartTask
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

from batch_emulator.server import running
from batch_emulator.settings import Settings
from tests.batch_emulator.conftest import CREDENTIAL, Batch, until
from tests.batch_emulator.signed import send

QUALIFIED = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Batch/batchAccounts/a/applications/tool"


def pack(directory, application, version, script="echo {version}"):
    """Write a package whose one program, bin/run, prints its version."""
    path = directory / application / f"{version}.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        program = zipfile.ZipInfo("bin/run")
        program.external_attr = 0o755 << 16
        archive.writestr(program, "#!/bin/sh\n" + script.format(version=version))


def reference(application="tool", version=None):
    return BatchApplicationPackageReference(application_id=application, version=version)


@asynccontextmanager
async def emulator(settings):
    async with running(settings) as url, BatchClient(url, CREDENTIAL) as client:
        yield Batch(client), url


@pytest.fixture(scope="module")
async def packages(tmp_path_factory):
    directory = tmp_path_factory.mktemp("applications")
    pack(directory, "tool", "1.0")
    pack(directory, "tool", "2.0-beta")
    (directory / "tool" / "default").write_text("2.0-beta\n")
    pack(directory, "Other_tool", "7")
    (directory / "broken").mkdir()
    (directory / "broken" / "1.zip").write_text("this is no archive")
    (directory / "no application").mkdir()
    (directory / "README.txt").write_text("neither is this")
    return directory


@pytest.fixture(scope="module")
async def emulated(packages):
    async with emulator(Settings(port=0, applications=packages)) as both:
        yield both


@pytest.fixture(scope="module")
async def own(emulated):
    return emulated[0]


async def test_applications_are_what_is_in_the_directory(own):
    listed = [found.as_dict() async for found in own.client.list_applications(max_results=1)]
    assert listed == [
        {"id": "broken", "versions": ["1"]},
        {"id": "Other_tool", "versions": ["7"]},
        {"id": "tool", "versions": ["1.0", "2.0-beta"]},
    ]
    assert (await own.client.get_application("TOOL")).versions == ["1.0", "2.0-beta"]
    with pytest.raises(ResourceNotFoundError) as caught:
        await own.client.get_application("none")
    assert caught.value.error.code == "ApplicationNotFound"


async def test_there_are_none_without_a_directory(batch):
    assert [found async for found in batch.client.list_applications()] == []


async def test_packages_of_a_pool_are_there_for_start_tasks_and_tasks(own):
    start = BatchStartTask(command_line='/bin/sh -c "$AZ_BATCH_APP_PACKAGE_tool_1_0/bin/run"', wait_for_success=True)
    references = [reference(QUALIFIED, "1.0"), reference()]
    pool_id = await own.ready_pool(application_package_references=references, start_task=start)
    job_id = await own.job(pool_id)
    task = '/bin/sh -c "$AZ_BATCH_APP_PACKAGE_tool_1_0/bin/run; $AZ_BATCH_APP_PACKAGE_tool/bin/run"'
    await own.run(job_id, task)
    assert await own.output(job_id) == "1.0\n2.0-beta\n"
    shown = (await own.client.get_pool(pool_id)).application_package_references
    assert [each.as_dict() for each in shown] == [each.as_dict() for each in references]


async def test_packages_of_a_task_are_put_on_its_node_once(own):
    job_id = await own.job(await own.ready_pool())
    command = "/bin/sh -c 'echo $AZ_BATCH_APP_PACKAGE_Other_tool_7; ls -i $AZ_BATCH_APP_PACKAGE_Other_tool_7/bin'"
    for task_id in ("first", "second"):
        await own.run(job_id, command, task_id, application_package_references=[reference("other_TOOL", "7")])
    first = await own.output(job_id, "first")
    assert first == await own.output(job_id, "second")
    assert "/applications/Other_tool/7\n" in first
    await own.run(job_id, "/usr/bin/env", "without")
    assert "APP_PACKAGE" not in await own.output(job_id, "without")


@pytest.mark.parametrize("bad", [reference("none", "1"), reference("tool", "9"), reference("Other_tool")])
async def test_a_pool_that_refers_to_no_package_is_refused(own, bad):
    with pytest.raises(ResourceExistsError) as caught:
        await own.pool(application_package_references=[bad])
    assert caught.value.error.code == "InvalidApplicationPackageReferences"


async def test_a_task_that_refers_to_no_package_is_refused(own):
    job_id = await own.job("none")
    with pytest.raises(ResourceExistsError) as caught:
        await own.task(job_id, "/bin/true", application_package_references=[reference("tool", "../1.0")])
    assert caught.value.error.code == "InvalidApplicationPackageReferences"


@pytest.mark.parametrize("bad", [reference("Other_tool"), reference("broken", "1")])
async def test_a_task_whose_package_cannot_be_put_on_the_node_fails_before_it_starts(own, bad):
    job_id = await own.job(await own.ready_pool())
    task = await own.run(job_id, "/bin/true", application_package_references=[bad])
    assert task.execution_info.failure_info.code == "ApplicationPackageError"
    assert task.execution_info.exit_code is None


async def test_a_node_without_its_pools_packages_is_unusable(own):
    pool_id = await own.pool(application_package_references=[reference("broken", "1")])

    async def unusable():
        return [node async for node in own.client.list_nodes(pool_id) if node.state == "unusable"]

    (node,) = await until(unusable)
    assert [error.code for error in node.errors] == ["ApplicationPackageError"]


async def test_an_automatic_pool_that_refers_to_no_package_is_refused(emulated):
    _, url = emulated
    pool = {"vmSize": "s", "applicationPackageReferences": [{"applicationId": "none"}]}
    info = {"autoPoolSpecification": {"poolLifetimeOption": "job", "pool": pool}}
    answer = await send(url, "POST", "/jobs", body={"id": "with-packages", "poolInfo": info})
    assert (answer.status, answer.body["code"]) == (409, "InvalidApplicationPackageReferences")


async def test_packages_lie_in_the_location_where_nothing_else_is_said(tmp_path):
    pack(tmp_path / "state" / "applications", "tool", "1")
    async with emulator(Settings(port=0, location=tmp_path / "state")) as (batch, _):
        assert [found.id async for found in batch.client.list_applications()] == ["tool"]


async def test_a_node_gets_changed_packages_when_it_reboots(emulated):
    own, url = emulated
    pool_id = await own.ready_pool(application_package_references=[reference(version="1.0")])
    for version, status in (("9", 409), ("2.0-beta", 200)):
        change = {"applicationPackageReferences": [{"applicationId": "tool", "version": version}]}
        assert (await send(url, "PATCH", f"/pools/{pool_id}", body=change)).status == status
    (node,) = [node async for node in own.client.list_nodes(pool_id)]
    reboot = {"nodeRebootOption": "requeue"}
    await (await own.client.begin_reboot_node(pool_id, node.id, reboot, polling_interval=0.05)).result()
    job_id = await own.job(pool_id)
    await own.run(job_id, "/usr/bin/env")
    variables = {line.partition("=")[0] for line in (await own.output(job_id)).splitlines()}
    assert {name for name in variables if "APP_PACKAGE" in name} == {"AZ_BATCH_APP_PACKAGE_tool_2_0_beta"}
