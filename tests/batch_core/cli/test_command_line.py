import asyncio
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
from azure.batch.models import BatchJobCreateOptions, BatchPoolInfo

from batch_core.app import open_app
from batch_core.cli import progress as patience
from batch_core.cli.command_line import main
from batch_core.cli.inventory import take_inventory
from batch_core.cli.program import COMMANDS
from batch_core.config.pools import settings_pool
from batch_core.config.settings import Settings
from batch_core.services.provisioning import pool_options
from batch_core.state.job_registry import JobEntry
from batch_core.state.record import DetectedBy
from batch_core.submit import submit
from tests.batch_core.steps import dropped, with_command
from tests.batch_emulator.control_client import faults


@pytest.fixture
def environment(environment, batch_endpoint):
    return environment | {"BATCH_ENDPOINT": batch_endpoint}


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command line as `process` does, but in this process, whose SDKs are imported."""

    async def run(arguments, environment, cwd, answers=None):
        capsys.readouterr()
        with monkeypatch.context() as patch, mock.patch.dict(os.environ, environment, clear=True):
            patch.setattr(sys, "argv", ["batch_core", *arguments])
            patch.setattr(sys, "stdin", io.StringIO() if answers is None else Terminal(answers))
            patch.chdir(cwd)
            try:
                # It brings an event loop of its own.
                code = await asyncio.to_thread(main)
            except SystemExit as exc:
                code = exc.code
        return code, *capsys.readouterr()

    return run


async def started(arguments, environment, cwd, **options):
    """Start `python -m batch_core`."""
    paths = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd())}
    return await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "batch_core", *arguments],
        cwd=cwd,
        env=environment | paths,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        **options,
    )


async def process(arguments, environment, cwd, written=b""):
    """Run `python -m batch_core` without a terminal; returns exit code, output and complaints."""
    process = await started(arguments, environment, cwd, stdin=asyncio.subprocess.PIPE)
    output, complaints = await process.communicate(written)
    return process.returncode, output.decode(), complaints.decode()


async def test_setup_makes_what_is_missing_and_can_be_repeated(run, environment, tmp_path):
    names = [environment[name] for name in ("INPUT_CONTAINER", "OUTPUT_CONTAINER", "TABLE_NAME", "BATCH_POOL_ID")]
    code, output, _ = await process(["setup"], environment, tmp_path)
    assert code == 0
    assert [line.split(": ") for line in output.splitlines()] == [
        [f"input container {names[0]}", "created"],
        [f"output container {names[1]}", "created"],
        [f"table {names[2]}", "created"],
        [f"pool {names[3]}", "created"],
    ]
    code, output, _ = await run(["setup"], environment, tmp_path)
    assert (code, output.count(": exists")) == (0, 4)


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


@pytest.fixture
async def filled(run, environment, tmp_path):
    """Everything that `setup` makes, two files in it, and a job whose one task still runs."""
    await run(["setup"], environment, tmp_path)
    app = open_app(Settings.from_env(environment))
    long = with_command(app, "/bin/sleep 600")
    record = (await submit(long, [await dropped(app, "a", b"a")], detected_by=DetectedBy.TRIGGER))[0].record
    await dropped(app, "b", b"b")
    yield SimpleNamespace(app=app, job_id=record.job_id)
    await app.clients.close()


async def left(app) -> set[str]:
    """What there is of the app's resources."""
    return {found.resource.description.split(" ")[0] for found in await take_inventory(app)}


EVERYTHING = {"job", "pool", "input", "output", "table"}


async def test_teardown_names_accounts_and_counts_what_will_go_before_it_removes_all_if_asked_so(
    run, environment, tmp_path, filled
):
    names = [environment[name] for name in ("BATCH_POOL_ID", "INPUT_CONTAINER", "OUTPUT_CONTAINER", "TABLE_NAME")]
    code, output, accounts = await run(["teardown", "--yes"], environment, tmp_path)
    assert code == 0
    lines = output.splitlines()
    assert accounts.startswith("Storage account devstoreaccount1 at http://127.0.0.1:")
    assert f"\nBatch account devbatchaccount1 at {environment['BATCH_ENDPOINT']} (" in accounts
    assert [line.strip() for line in lines[1:6]] == [
        f"job {filled.job_id} (1 not ended)",
        f"pool {names[0]} (2 nodes)",
        f"input container {names[1]} (2 blobs)",
        f"output container {names[2]} (0 blobs)",
        f"table {names[3]} (1 record, 1 of them open)",
    ]
    assert lines[7] == "1 of the tasks still run, or their output is not collected: it would be lost."
    assert [line.split(": ")[1] for line in lines[8:]] == ["deleted"] * 5
    assert await left(filled.app) == set()
    code, output, _ = await run(["teardown", "--yes"], environment, tmp_path)
    assert (code, output.splitlines()[-1]) == (0, "There is nothing to delete.")


async def test_what_routes_name_no_longer_is_removed_too_and_what_is_not_ours_stays(run, environment, tmp_path):
    former, job_id = f"{environment['BATCH_POOL_ID']}-former", f"files-{environment['BATCH_POOL_ID']}-former-1"
    (tmp_path / "routes.toml").write_text(f"[pools.{former}]\nnodes = 0\n")
    environment |= {"ROUTES_FILE": str(tmp_path / "routes.toml")}
    await run(["setup"], environment, tmp_path)
    app = open_app(Settings.from_env(environment))
    try:
        await app.clients.batch.create_job(BatchJobCreateOptions(id=job_id, pool_info=BatchPoolInfo(pool_id=former)))
        foreign = pool_options(replace(settings_pool(app.settings.pool), id=f"{former}-foreign", nodes=0))
        await app.clients.batch.create_pool(foreign)
        await app.registry.add(JobEntry(job_id=job_id, day=date(2026, 11, 30), number=1, takes_tasks=True))
        await app.batch.create_job(f"{job_id}1", former)
        (tmp_path / "routes.toml").write_text("")
        _, output, _ = await run(["teardown", "--dry-run"], environment, tmp_path)
        assert f"  job {job_id} (no tasks)\n" in output
        # The table does not list this one; its metadata says for which app it was made.
        assert f"  job {job_id}1 (no tasks)\n" in output
        assert f"  pool {former} (0 nodes)\n" in output
        assert "foreign" not in output
        # What somebody else has made stays, whatever names it.
        stranger = f"files-nightly-{former}"
        theirs = BatchPoolInfo(pool_id=f"{former}-foreign")
        await app.clients.batch.create_job(BatchJobCreateOptions(id=stranger, pool_info=theirs))
        for words in ("existing = true", "nodes = 0"):
            (tmp_path / "routes.toml").write_text(f"[pools.{former}-foreign]\n{words}\n")
            _, output, _ = await run(["teardown", "--dry-run"], environment, tmp_path)
            assert stranger not in output
            assert f"  pool {former}-foreign" not in output
        assert f"Pool {former}-foreign is left alone: setup has not made it.\n" in output
        (tmp_path / "routes.toml").write_text("")
        assert (await run(["teardown", "--yes"], environment, tmp_path))[0] == 0
        assert await left(app) == set()
        assert await app.batch.pool_status(f"{former}-foreign")
    finally:
        await app.clients.batch.begin_delete_pool(f"{former}-foreign")
        await app.clients.close()


@pytest.mark.parametrize("arguments", [["--dry-run"], ["--dry-run", "--yes"], ["--yes", "--dry-run"]])
async def test_a_dry_run_of_teardown_deletes_nothing_whatever_else_is_said(
    run, environment, tmp_path, filled, arguments
):
    code, output, _ = await run(["teardown", *arguments], environment, tmp_path, answers="y\n" * 9)
    assert code == 0
    assert f"job {filled.job_id} (1 not ended)" in output
    assert await left(filled.app) == EVERYTHING


@pytest.mark.parametrize("answers", ["\n" * 5, "n\nno\nnope\nyeah\n \n"])
async def test_no_is_the_default_of_every_question(run, environment, tmp_path, filled, answers):
    code, output, complaints = await run(["teardown"], environment, tmp_path, answers=answers)
    assert (code, complaints.count("[y/N]")) == (0, 5)
    assert output.endswith("Nothing was deleted.\n")
    assert await left(filled.app) == EVERYTHING


async def test_teardown_removes_what_is_answered_with_yes(run, environment, tmp_path, filled):
    code, _, _ = await run(["teardown"], environment, tmp_path, answers="n\n\nY\nno\nyes\n")
    assert code == 0
    assert await left(filled.app) == {"job", "pool", "output"}


async def test_no_answer_deletes_nothing_not_even_what_was_answered_with_yes(run, environment, tmp_path, filled):
    code, _, complaints = await run(["teardown"], environment, tmp_path, answers="y\ny\n")
    assert code == 1
    assert complaints.endswith("[y/N] \nNothing was deleted: there was no answer.\n")
    assert await left(filled.app) == EVERYTHING


@pytest.mark.parametrize("answers", [b"", b"y\ny\ny\ny\ny\n"])
async def test_without_a_terminal_teardown_says_and_deletes_nothing(environment, tmp_path, filled, answers):
    code, output, complaints = await process(["teardown"], environment, tmp_path, answers)
    assert code == 2
    assert "(2 blobs)" in output
    assert "\nNothing was deleted: teardown asks before it deletes, and there is no terminal" in complaints
    assert await left(filled.app) == EVERYTHING


async def test_ctrl_c_at_a_question_deletes_nothing_and_shows_no_traceback(environment, tmp_path, filled):
    leader, follower = os.openpty()
    try:
        # Whatever starts the tests may ignore the signal, which processes inherit.
        heeding = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        options = {"stdin": follower, "start_new_session": True, "preexec_fn": heeding}
        process = await started(["teardown"], environment, tmp_path, **options)
        question = await process.stderr.readuntil(b"[y/N] ")
        ending = asyncio.create_task(process.stderr.readuntil(b"stopped by Ctrl-C\n"))
        while not ending.done():
            # One that comes between the prompt and the wait for an answer is only seen with the answer.
            process.send_signal(signal.SIGINT)
            await asyncio.wait({ending}, timeout=0.5)
        complaints = await ending + await process.stderr.read()
        await process.wait()
    finally:
        os.close(leader)
        os.close(follower)
    assert b"Delete job" in question
    assert process.returncode == 130
    assert complaints == b"\nstopped by Ctrl-C\n"
    assert await left(filled.app) == EVERYTHING


async def test_a_dry_run_of_setup_only_says(run, environment, tmp_path):
    code, output, _ = await run(["setup", "--dry-run"], environment, tmp_path)
    assert (code, output.count(": would be created")) == (0, 4)
    await run(["setup"], environment, tmp_path)
    code, output, _ = await run(["setup", "--dry-run"], environment, tmp_path)
    assert (code, output.count(": exists")) == (0, 4)


async def test_what_is_slow_says_what_it_waits_for(run, environment, batch_endpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(patience, "FIRST", 0.1)
    async with faults(batch_endpoint, {"operation": "create_pool", "delay": 1}):
        code, _, complaints = await run(["setup"], environment, tmp_path)
    assert code == 0
    assert f"  still creating pool {environment['BATCH_POOL_ID']} (0 s)...\n" in complaints


@pytest.mark.parametrize("arguments", [["setup"], ["teardown"], ["tidy"], ["setup", "--dry-run"]])
async def test_with_nothing_listening_every_command_says_so_within_two_seconds(run, environment, tmp_path, arguments):
    storage = "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;BlobEndpoint=http://127.0.0.1:9/a;"
    storage += "QueueEndpoint=http://127.0.0.1:9/a;"
    nowhere = {"DATA_STORAGE": f"{storage}TableEndpoint=http://127.0.0.1:9/a;", "BATCH_ENDPOINT": "http://127.0.0.1:9"}
    began = time.monotonic()
    code, _, complaints = await run(arguments, environment | nowhere, tmp_path)
    assert time.monotonic() - began < 2
    assert code == 1
    assert "failed: nothing listens on 127.0.0.1:9: is the local stack up?" in complaints
    assert "ssl" not in complaints


async def test_tidy_closes_old_jobs_and_a_dry_run_only_says(run, environment, tmp_path):
    await run(["setup"], environment, tmp_path)
    assert (await run(["tidy"], environment, tmp_path))[:2] == (0, "nothing to tidy\n")
    app = open_app(Settings.from_env(environment))
    old = JobEntry(
        job_id=f"files-{app.settings.pool.id}-20201123-1", day=date(2020, 11, 23), number=1, takes_tasks=True
    )
    await app.registry.add(old)
    await app.jobs.make(old.job_id)
    result = await run(["tidy", "--dry-run"], environment, tmp_path)
    assert result[:2] == (0, f"job {old.job_id}: would be terminated\n")
    assert await app.registry.jobs() == [old]
    assert (await run(["tidy"], environment, tmp_path))[:2] == (0, f"job {old.job_id}: terminated\n")
    (job,) = await app.registry.jobs()
    await app.clients.close()
    assert job.terminated_at is not None


async def test_settings_come_from_the_folder_like_those_of_func_and_the_environment_wins(run, environment, tmp_path):
    file = {"Values": environment | {"TABLE_NAME": "fromfile"}}
    (tmp_path / "local.settings.json").write_text(json.dumps(file))
    more = {"INPUT_CONTAINER": environment["INPUT_CONTAINER"] + "-env"}
    code, output, stderr = await run(["setup"], more, tmp_path)
    blobs = environment["DATA_STORAGE"].partition("BlobEndpoint=")[2].partition(";")[0]
    assert code == 0
    assert stderr.splitlines()[:2] == [
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
    code, output, stderr = await run(["tidy", "--settings", "other.json"], {}, tmp_path)
    assert (code, "DATA_STORAGE of other.json" in stderr) == (1, True), output
    code, _, stderr = await run(["tidy", "--settings", "-"], environment, tmp_path)
    assert (code, "DATA_STORAGE of the environment" in stderr) == (1, True)
    code, _, stderr = await run(["tidy", "--settings", "gone.json"], environment, tmp_path)
    assert (code, "there is no file gone.json" in stderr) == (2, True)


async def test_wrong_settings_are_listed_after_the_accounts_as_far_as_known(tmp_path):
    code, _, complaints = await process(["setup"], {}, tmp_path)
    assert code == 2
    accounts, wrong = complaints.splitlines()[:2], complaints.splitlines()[2:]
    assert accounts == [
        "Storage account not known (DATA_STORAGE is not set)",
        "Batch account not known (BATCH_ENDPOINT is not set)",
    ]
    assert [line.split()[0] for line in wrong] == ["These", "DATA_STORAGE", "BATCH_ENDPOINT", "BATCH_POOL_ID", "there"]


@pytest.mark.parametrize("command", ["setup", "teardown", "tidy"])
async def test_who_has_no_settings_file_learns_where_it_was_looked_for_and_what_to_copy(run, tmp_path, command):
    example = Path.cwd() / "local.settings.json.example"
    code, output, complaints = await run([command], {}, tmp_path)
    assert (code, output) == (2, "")
    assert f"\n  there is no local.settings.json in {tmp_path}: pass --settings FILE, set them" in complaints
    assert complaints.endswith(
        f"copy {example} to it; for the local stack that `make up` started: --settings {example}\n"
    )
    assert example.is_file()


async def test_incomplete_settings_say_first_where_they_lead_and_whence_they_are(run, environment, tmp_path):
    known = {name: environment[name] for name in ("DATA_STORAGE", "BATCH_ACCOUNT_NAME", "BATCH_ACCOUNT_KEY")}
    (tmp_path / "local.settings.json").write_text(json.dumps({"Values": known}))
    code, _, complaints = await run(["teardown"], {"BATCH_ENDPOINT": environment["BATCH_ENDPOINT"]}, tmp_path)
    storage, batch, *wrong = complaints.splitlines()
    assert code == 2
    assert storage.endswith("(DATA_STORAGE of local.settings.json)")
    assert (
        batch
        == f"Batch account devbatchaccount1 at {environment['BATCH_ENDPOINT']} (BATCH_ENDPOINT of the environment)"
    )
    assert wrong[-1] == "  they are read from local.settings.json and the environment, which wins"
    code, _, complaints = await run(["tidy", "--settings", "-"], {}, tmp_path)
    assert "\n  they are read from the environment alone, as --settings - says; those of azd are there" in complaints


async def test_a_key_in_the_wrong_place_is_not_shown(run, environment, tmp_path):
    key = environment["BATCH_ACCOUNT_KEY"]
    wrong = {"BATCH_ENDPOINT": key, "BATCH_ACCOUNT_NAME": key, "DATA_STORAGE": key}
    code, _, complaints = await run(["setup"], environment | wrong, tmp_path)
    assert (code, key[:20] in complaints) == (2, False)
    assert "Batch account not known (BATCH_ENDPOINT of the environment)" in complaints


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["up", "x"], "up is a command of python -m local: python -m local up"),
        (["bogus"], f"there is no command 'bogus': there are {', '.join([*COMMANDS][:-1])} and completion"),
        (
            ["--dry-run", "setup"],
            "the command comes first, its options after it: python -m batch_core COMMAND --dry-run",
        ),
        (["setup", "--yes"], "unrecognized arguments: --yes"),
        ([], "the following arguments are required: COMMAND"),
    ],
)
async def test_what_is_no_command_is_reported_in_a_sentence(run, tmp_path, arguments, words):
    code, output, complaints = await run(arguments, {}, tmp_path)
    assert (code, output) == (2, "")
    assert complaints.splitlines()[-1] == f"python -m batch_core: error: {words}"


async def test_each_command_has_its_own_line_and_its_own_options(run, tmp_path):
    _, every, _ = await run(["--help"], {}, tmp_path)
    helps = {name: (await run([name, "--help"], {}, tmp_path))[1] for name in ("setup", "teardown", "tidy")}
    assert all(re.search(rf"^    {name} +\w+", every, re.MULTILINE) for name in helps)
    assert [name for name, text in helps.items() if "--yes" in text] == ["teardown"]
    assert all("--dry-run" in text and "--settings FILE" in text for text in helps.values())


async def test_a_wrong_key_is_said_to_be_one(run, environment, tmp_path):
    code, _, complaints = await run(["setup"], environment | {"BATCH_ACCOUNT_KEY": "d3Jvbmc="}, tmp_path)
    assert code == 1
    assert complaints.splitlines()[2].startswith(
        f"creating pool {environment['BATCH_POOL_ID']} failed (HTTP 403, AuthenticationFailed)"
    )
    assert "d3Jvbmc=" not in complaints


async def test_in_a_checkout_without_settings_those_of_the_local_stack_count(run, storage_app, environment, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    for folder in (tmp_path, tmp_path / "elsewhere"):
        (folder / "local.settings.json.example").write_text(json.dumps({"Values": environment}))
    (tmp_path / "host.json").write_text("{}")
    code, _, complaints = await run(["tidy", "--dry-run"], {}, tmp_path)
    assert (code, complaints.splitlines()[0].endswith("(DATA_STORAGE of local.settings.json.example)")) == (0, True)
    # A folder with such a file alone is no checkout.
    code, _, complaints = await run(["tidy", "--dry-run"], {}, tmp_path / "elsewhere")
    assert (code, "DATA_STORAGE is not set" in complaints) == (2, True)
    # What is named must exist.
    code, _, complaints = await run(["list", "--settings", "local.settings.json"], {}, tmp_path)
    assert (code, "there is no file local.settings.json" in complaints) == (2, True)
    # One setting of one's own, and nothing of the example is mixed with it.
    code, _, complaints = await run(["tidy", "--dry-run"], {"BATCH_POOL_ID": "mine"}, tmp_path)
    assert (code, "DATA_STORAGE is not set" in complaints) == (2, True)


@pytest.mark.parametrize("closed", [">&-", "<&-", "2>&-", ">&- 2>&- <&-"])
def test_a_closed_stream_is_no_fault(closed, tmp_path):
    line = f"{shlex.quote(sys.executable)} -m batch_core --help {closed}"
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stdout + done.stderr) == (0, False)


def test_ctrl_c_before_the_command_begins_is_ctrl_c(monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("batch_core.cli.program.parse", interrupted)
    assert main() == 130
    assert capsys.readouterr().err == "\nstopped by Ctrl-C\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_where_results_cannot_be_written_is_said(tmp_path):
    line = f"{shlex.quote(sys.executable)} -m batch_core --help > /dev/full"
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.splitlines()[0]) == (1, "cannot go on: No space left on device")
