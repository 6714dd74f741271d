import asyncio
import io
import json
import os
import sys
from datetime import date
from pathlib import Path
from unittest import mock

import pytest
from azure.batch.models import BatchPoolState

from batch_core.__main__ import main
from batch_core.app import open_app
from batch_core.entities import JobEntry
from batch_core.record import DetectedBy
from batch_core.settings import Settings
from batch_core.submit import submit
from tests.batch_core.steps import dropped


@pytest.fixture
def environment(environment, batch_endpoint):
    return environment | {"BATCH_ENDPOINT": batch_endpoint}


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command line as `process` does, but in this process, whose SDKs are imported."""

    async def run(arguments, environment, cwd, answers=""):
        capsys.readouterr()
        with monkeypatch.context() as patch, mock.patch.dict(os.environ, environment, clear=True):
            patch.setattr(sys, "argv", ["batch_core", *arguments])
            patch.setattr(sys, "stdin", io.StringIO(answers))
            patch.chdir(cwd)
            # It brings an event loop of its own.
            code = await asyncio.to_thread(main)
        return code, *capsys.readouterr()

    return run


async def process(arguments, environment, cwd):
    """Run `python -m batch_core`; returns exit code, output and complaints."""
    paths = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd())}
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "batch_core", *arguments],
        cwd=cwd,
        env=environment | paths,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, complaints = await process.communicate()
    return process.returncode, output.decode(), complaints.decode()


async def test_setup_makes_what_is_missing_and_can_be_repeated(environment, tmp_path):
    names = [environment[name] for name in ("INPUT_CONTAINER", "OUTPUT_CONTAINER", "TABLE_NAME", "BATCH_POOL_ID")]
    code, output, _ = await process(["setup"], environment, tmp_path)
    assert code == 0
    assert [line.split(": ") for line in output.splitlines()] == [
        [f"input container {names[0]}", "created"],
        [f"output container {names[1]}", "created"],
        [f"table {names[2]}", "created"],
        [f"pool {names[3]}", "created"],
    ]
    code, output, _ = await process(["setup"], environment, tmp_path)
    assert (code, output.count("is there")) == (0, 4)


async def test_the_pool_is_made_as_the_settings_say(run, environment, tmp_path):
    more = {"POOL_NODE_COUNT": "1", "POOL_TASK_SLOTS_PER_NODE": "3", "POOL_VM_SIZE": "standard_d4s_v5"}
    await run(["setup"], environment | more, tmp_path)
    app = open_app(Settings.from_env(environment))
    pool = await app.clients.batch.get_pool(environment["BATCH_POOL_ID"])
    await app.clients.close()
    assert (pool.target_dedicated_nodes, pool.task_slots_per_node, pool.vm_size) == (1, 3, "standard_d4s_v5")
    image = pool.virtual_machine_configuration.image_reference
    assert (image.publisher, image.offer, image.sku) == ("canonical", "ubuntu-24_04-lts", "server")
    assert pool.virtual_machine_configuration.node_agent_sku_id == "batch.node.ubuntu 24.04"


async def test_teardown_removes_everything_jobs_included_without_asking_if_told_so(run, environment, tmp_path):
    await run(["setup"], environment, tmp_path)
    app = open_app(Settings.from_env(environment))
    record = (await submit(app, [await dropped(app, "a", b"a")], detected_by=DetectedBy.TRIGGER))[0].record
    code, output, _ = await run(["teardown", "--yes"], environment, tmp_path)
    assert code == 0
    assert [line.split(": ")[1] for line in output.splitlines()] == ["deleted"] * 5
    assert output.startswith(f"job {record.job_id}")
    assert record.job_id not in [job.id async for job in app.clients.batch.list_jobs()]
    assert app.settings.pool.id not in [pool.id async for pool in app.clients.batch.list_pools()]
    assert app.settings.input_container not in [one.name async for one in app.clients.blobs.list_containers()]
    await app.clients.close()
    code, output, _ = await run(["teardown", "--yes"], environment, tmp_path)
    assert (code, output.count("was not there")) == (0, 4)


async def test_teardown_asks_about_each_and_yes_is_the_default(run, environment, tmp_path):
    await run(["setup"], environment, tmp_path)
    code, output, _ = await run(["teardown"], environment, tmp_path, answers="n\n\nY\nno\n")
    assert code == 0
    assert output.count("[Y/n]") == 4
    app = open_app(Settings.from_env(environment))
    assert (await app.batch.pool_status(app.settings.pool.id)).state == BatchPoolState.ACTIVE
    containers = [one.name async for one in app.clients.blobs.list_containers()]
    await app.table.ping()
    await app.clients.close()
    assert not {app.settings.input_container, app.settings.output_container} & set(containers)


async def test_tidy_closes_old_jobs_and_a_dry_run_only_tells(run, environment, tmp_path):
    await run(["setup"], environment, tmp_path)
    assert (await run(["tidy"], environment, tmp_path))[:2] == (0, "nothing to tidy\n")
    app = open_app(Settings.from_env(environment))
    old = JobEntry(job_id=f"files-{app.settings.pool.id}-20201123-1", day=date(2020, 11, 23), number=1, is_open=True)
    await app.ledger.add_job(old)
    await app.jobs.make(old.job_id)
    told = await run(["tidy", "--dry-run"], environment, tmp_path)
    assert told[:2] == (0, f"job {old.job_id}: would be closed\n")
    assert await app.ledger.jobs() == [old]
    assert (await run(["tidy"], environment, tmp_path))[:2] == (0, f"job {old.job_id}: closed\n")
    (job,) = await app.ledger.jobs()
    await app.clients.close()
    assert job.closed_at is not None


async def test_settings_come_from_the_folder_like_those_of_func_and_the_environment_wins(run, environment, tmp_path):
    file = {"Values": environment | {"TABLE_NAME": "fromfile"}}
    (tmp_path / "local.settings.json").write_text(json.dumps(file))
    more = {"INPUT_CONTAINER": environment["INPUT_CONTAINER"] + "-env"}
    code, output, told = await run(["setup"], more, tmp_path)
    blobs = environment["DATA_STORAGE"].partition("BlobEndpoint=")[2].partition(";")[0]
    assert code == 0
    assert told.splitlines()[:2] == [
        f"Storage account devstoreaccount1 at {blobs} (DATA_STORAGE of local.settings.json)",
        f"Batch account devbatchaccount1 at {environment['BATCH_ENDPOINT']} (BATCH_ENDPOINT of local.settings.json)",
    ]
    assert "table fromfile: " in output
    assert f"input container {environment['INPUT_CONTAINER']}-env" in output


@pytest.mark.parametrize("content", ["{", "[]", '{"Values": []}'])
async def test_a_broken_settings_file_is_named(run, environment, tmp_path, content):
    (tmp_path / "local.settings.json").write_text(content)
    code, _, complaints = await run(["setup"], environment, tmp_path)
    assert code == 2
    assert "local.settings.json is not valid" in complaints


async def test_another_settings_file_can_be_named_and_none(run, environment, tmp_path):
    (tmp_path / "local.settings.json").write_text("{")
    (tmp_path / "other.json").write_text(json.dumps({"Values": environment}))
    code, output, told = await run(["tidy", "--settings", "other.json"], {}, tmp_path)
    assert (code, "DATA_STORAGE of other.json" in told) == (1, True), output
    code, _, told = await run(["tidy", "--settings", "-"], environment, tmp_path)
    assert (code, "DATA_STORAGE of the environment" in told) == (1, True)
    code, _, told = await run(["tidy", "--settings", "gone.json"], environment, tmp_path)
    assert (code, "there is no file gone.json" in told) == (2, True)


async def test_wrong_settings_are_listed(tmp_path):
    code, _, complaints = await process(["setup"], {}, tmp_path)
    assert code == 2
    assert complaints.splitlines()[0] == "These settings are wrong:"
    assert len(complaints.splitlines()) == 4


async def test_a_wrong_key_is_said_to_be_one(environment, tmp_path):
    code, _, complaints = await process(["setup"], environment | {"BATCH_ACCOUNT_KEY": "d3Jvbmc="}, tmp_path)
    assert code == 1
    assert complaints.splitlines()[2].startswith(
        f"creating pool {environment['BATCH_POOL_ID']} failed (HTTP 403, AuthenticationFailed)"
    )
    assert "d3Jvbmc=" not in complaints
