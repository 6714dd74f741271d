"""Tasks in containers: what the engine is asked for, how their end is reported, and that nothing of them stays."""

import asyncio
import os
import subprocess
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from azure.batch.aio import BatchClient
from azure.batch.models import (
    BatchContainerConfiguration,
    BatchTaskConstraints,
    BatchTaskContainerSettings,
    ContainerHostBatchBindMountEntry,
    EnvironmentSetting,
)

from batch_emulator.server import running
from batch_emulator.settings import Settings
from tests.batch_emulator.conftest import CREDENTIAL, Batch, pool_options, prompt_boots, until
from tests.batch_emulator.execution.container_engines import StandIn, own_image

HOUR = timedelta(hours=1)
SECRET = "a secret, 'quoted'\nand of two lines"


@pytest.fixture(scope="module", autouse=True)
def _prompt_boots():
    with prompt_boots():
        yield


@pytest.fixture
def stand_in(tmp_path):
    folder = tmp_path / "stand-in"
    folder.mkdir()
    return StandIn(folder)


@asynccontextmanager
async def emulator(engine, location=None):
    async with (
        running(Settings(port=0, location=location, container_engine=str(engine))) as url,
        BatchClient(url, CREDENTIAL) as client,
    ):
        yield Batch(client)


async def container_job(batch, pool_id="containers"):
    options = pool_options(pool_id)
    options.virtual_machine_configuration.container_configuration = BatchContainerConfiguration(type="dockerCompatible")
    await batch.client.create_pool(options)
    return await batch.job(pool_id)


def settings(image="an/image:1", **options):
    return BatchTaskContainerSettings(image_name=image, **options)


async def failure_of(batch, job, command="/bin/true", **options):
    failure = (await batch.run(job, command, **options)).execution_info.failure_info
    return failure.code, " ".join(detail.value for detail in failure.details)


async def test_a_pool_that_does_not_say_that_it_runs_containers_runs_none(stand_in):
    async with emulator(stand_in.program) as batch:
        job = await batch.job(await batch.pool())
        code, details = await failure_of(batch, job, container_settings=settings())
    assert (code, details) == ("ContainerPoolNotSupported", "The pool has no containerConfiguration")
    assert stand_in.calls == []


@pytest.mark.parametrize("engine", ["none", "/no/such/engine", "/bin/false"])
async def test_without_an_engine_the_task_fails_as_on_nodes_without_containers(engine):
    async with emulator(engine) as batch:
        code, details = await failure_of(batch, await container_job(batch), container_settings=settings())
    assert code == "ContainerPoolNotSupported"
    assert details == "No docker or podman answers on the machine of the emulator"


async def test_the_engine_gets_the_directories_the_names_of_variables_and_the_command(stand_in):
    variables = [
        EnvironmentSetting(name="TOKEN", value=SECRET),
        EnvironmentSetting(name="DOCKER_HOST", value="of the task"),
    ]
    async with emulator(stand_in.program) as batch:
        job = await container_job(batch)
        container = settings(container_run_options="--memory 64m --label 'a b'")
        command = "/bin/sh -c 'pwd; echo \"$1\"' - 'two words'"
        task = await batch.run(job, command, environment_settings=variables, container_settings=container)
        assert task.execution_info.result == "success"
        printed = await batch.output(job)
    working, words = printed.splitlines()
    assert words == "two words"
    (options,) = stand_in.of("create")
    root = working.partition("/workitems/")[0]
    assert options[options.index("--mount") + 1] == f"type=bind,source={root},target={root}"
    assert options[options.index("--workdir") + 1] == working
    assert options[options.index("--memory") : options.index("--entrypoint")] == ["--memory", "64m", "--label", "a b"]
    assert options[options.index("--entrypoint") :] == [
        *("--entrypoint", "/bin/sh", "--", "an/image:1"),
        *("-c", 'pwd; echo "$1"', "-", "two words"),
    ]
    named = {name for option, name in pairwise(options) if option == "--env"}
    assert {"TOKEN", "AZ_BATCH_TASK_ID", "AZ_BATCH_TASK_WORKING_DIR"} <= named
    assert not named & {"PATH", "HOME", "LANG", "DOCKER_HOST"}
    # Nobody reads a value in the list of processes; the engine's own variables stay its own.
    assert not any(SECRET in argument or "of the task" in argument for call in stand_in.calls for argument in call)
    (made,) = [call["environment"] for call in stand_in.calls if call["arguments"][0] == "create"]
    assert made["TOKEN"] == SECRET
    assert made["PATH"] == os.environ["PATH"]
    assert "DOCKER_HOST" not in made
    assert (stand_in.made()["file"], stand_in.made()["mode"]) == ("DOCKER_HOST=of the task", 0o600)
    # And when all is done it is gone, the file of variables too.
    assert stand_in.of("rm")[-1][-1] == options[options.index("--name") + 1]
    assert not Path(options[options.index("--env-file") + 1]).exists()  # noqa: ASYNC240 - one look, when all is done


async def test_an_empty_command_line_leaves_the_image_its_entry_point(stand_in):
    async with emulator(stand_in.program) as batch:
        job = await container_job(batch)
        assert (await batch.run(job, "", container_settings=settings())).execution_info.exit_code == 0
        assert await batch.output(job) == "from the entry point\n"
    (options,) = stand_in.of("create")
    assert "--entrypoint" not in options
    assert options[-2:] == ["--", "an/image:1"]


async def test_an_image_cannot_be_an_option(stand_in):
    async with emulator(stand_in.program) as batch:
        await batch.run(await container_job(batch), "/bin/true", container_settings=settings("--privileged"))
    (options,) = stand_in.of("create")
    assert options[-2:] == ["--", "--privileged"]
    assert stand_in.of("image")[0][-2:] == ["--", "--privileged"]


async def test_where_the_settings_say_so_the_image_decides_where_the_command_starts_and_less_is_mounted(stand_in):
    mounts = [
        ContainerHostBatchBindMountEntry(source="shared", is_read_only=True),
        ContainerHostBatchBindMountEntry(source="Task"),
    ]
    container = settings(working_directory="containerImageDefault", container_host_batch_bind_mounts=mounts)
    async with emulator(stand_in.program) as batch:
        await batch.run(await container_job(batch), "", container_settings=container)
    (options,) = stand_in.of("create")
    assert "--workdir" not in options
    mounted = [name.split(",") for option, name in pairwise(options) if option == "--mount"]
    assert [source.rpartition("/")[2] for _, source, *_ in mounted] == ["shared", "task"]
    assert [more for *_, more in mounted] == ["readonly", mounted[1][2]]


@pytest.mark.parametrize(
    ("container", "command", "code", "words"),
    [
        (settings("missing/nowhere"), "", "ContainerInvalidImage", "pull access denied for missing/nowhere"),
        (settings(container_run_options="--wrong"), "", "ContainerInvalidSettings", "unknown flag: --wrong"),
        (settings(container_run_options="'"), "", "ContainerInvalidSettings", "No closing quotation"),
        (settings(), "no-such-program", "CommandProgramNotFound", "executable file not found"),
        (settings(), "no-such-silent", "CommandLaunchFailed", "crun: the limits cannot be set"),
        (settings(), "'", "ContainerInvalidSettings", "No closing quotation"),
    ],
)
async def test_what_cannot_run_fails_with_the_engines_words(stand_in, container, command, code, words):
    async with emulator(stand_in.program) as batch:
        found = await failure_of(batch, await container_job(batch), command, container_settings=container)
    assert found[0] == code
    assert words in found[1]
    assert "progress" not in found[1]


async def test_an_image_that_is_not_there_is_fetched(stand_in):
    async with emulator(stand_in.program) as batch:
        task = await batch.run(await container_job(batch), "/bin/true", container_settings=settings("missing/here"))
    assert task.execution_info.result == "success"
    assert stand_in.of("pull") == [["--quiet", "--", "missing/here"]]


async def test_the_exit_code_is_the_commands_own(stand_in):
    async with emulator(stand_in.program) as batch:
        task = await batch.run(await container_job(batch), "/bin/sh -c 'exit 127'", container_settings=settings())
    info = task.execution_info
    assert (info.exit_code, info.failure_info.code) == (127, "FailureExitCode")


@pytest.fixture
def limits(monkeypatch):
    """The time limits that are running, of an hour each: a test lets one strike when its container has started."""
    running, timeout = [], asyncio.timeout

    def noted(seconds):
        made = timeout(seconds)
        if seconds == HOUR.total_seconds():
            running.append(made)
        return made

    monkeypatch.setattr(asyncio, "timeout", noted)
    return running


@pytest.mark.parametrize("end", ["terminate", "time limit", "emulator's end"])
async def test_however_it_ends_its_container_is_removed(stand_in, limits, end):
    limit = BatchTaskConstraints(max_wall_clock_time=HOUR)
    async with emulator(stand_in.program) as batch:
        job = await container_job(batch)
        command = "/bin/sh -c 'echo begun; exec sleep 600'"
        await batch.task(job, command, constraints=limit, container_settings=settings())
        await batch.state(job, "running")
        await until(lambda: asyncio.to_thread(stand_in.of, "start"))
        if end == "terminate":
            await batch.client.terminate_task(job, "task")
        if end == "time limit":
            limits[0].reschedule(0)
        if end != "emulator's end":
            await batch.state(job, "completed")
    (options,) = stand_in.of("create")
    assert options[options.index("--name") + 1] in {call[-1] for call in stand_in.of("rm")}


async def test_a_container_that_a_crash_left_behind_is_removed_at_the_next_start(stand_in, tmp_path):
    location = tmp_path / "location"
    async with emulator(stand_in.program, location) as batch:
        await container_job(batch)
    assert stand_in.of("ps") == []
    async with emulator(stand_in.program, location):
        assert stand_in.of("ps") == [["--all", "--quiet", "--filter", f"label=batch-emulator={location / 'nodes'}"]]
        assert stand_in.of("rm") == [["--force", "one", "two"]]


@pytest.fixture
def own(tmp_path, monkeypatch):
    return own_image(tmp_path, monkeypatch)


async def test_a_real_engine_runs_a_command_in_an_image(own, tmp_path):
    program, image = own
    variables = [EnvironmentSetting(name="TOKEN", value=SECRET), EnvironmentSetting(name="HOME", value="/of/the/task")]
    container = settings(image, container_run_options="--network none")
    async with emulator(program, tmp_path / "location") as batch:
        job = await container_job(batch)
        command = "/bin/sh -c 'pwd; echo \"$TOKEN\"; echo $HOME; echo made >made.txt; echo oops >&2; exit 3'"
        task = await batch.run(job, command, environment_settings=variables, container_settings=container)
        assert (task.execution_info.exit_code, task.execution_info.failure_info.code) == (3, "FailureExitCode")
        lines = (await batch.output(job)).splitlines()
        assert lines[0].endswith(f"/workitems/{job}/job-1/task/wd")
        assert lines[1:] == [*SECRET.splitlines(), "/of/the/task"]
        assert await batch.file(job, "stderr.txt") == b"oops\n"
        assert await batch.file(job, "wd/made.txt") == b"made\n"
        await batch.run(job, "", "entry", container_settings=container)
        assert await batch.output(job, "entry") == "from the entry point\n"
        failure = await failure_of(batch, job, "/no/such", task_id="none", container_settings=container)
        assert failure[0] == "CommandProgramNotFound", failure
        await batch.task(job, "/bin/sleep 600", "long", container_settings=container)
        await until(lambda: asyncio.to_thread(containers_of, program, tmp_path))
        await batch.client.terminate_task(job, "long")
        await batch.state(job, "completed", "long")
        assert containers_of(program, tmp_path) == []


def containers_of(program, tmp_path):
    """Return the containers of the test's emulator."""
    label = f"label=batch-emulator={tmp_path / 'location' / 'nodes'}"
    done = subprocess.run([program, "ps", "-q", "--filter", label], capture_output=True, check=True)
    return done.stdout.split()
