"""What a task's command sees, and how its end is reported."""

import asyncio
import os
import signal
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from azure.batch.models import BatchTaskConstraints, EnvironmentSetting

from batch_emulator.execution import leftovers
from tests.batch_emulator.conftest import until
from tests.batch_emulator.signed import send


def is_alive(pid):
    """Return whether a process exists and is more than a zombie."""
    with suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def directory_of(pid):
    """Return the working directory of a process."""
    return Path(f"/proc/{pid}/cwd").readlink()


async def ended(*pids):
    async def look():
        return not any(is_alive(pid) for pid in pids)

    await until(look)


async def test_a_good_task_goes_through_its_states(batch, pool, job):
    task = await batch.run(job, "/bin/echo hello")
    assert (task.state, task.previous_state) == ("completed", "running")
    info = task.execution_info
    assert (info.result, info.exit_code, info.failure_info) == ("success", 0, None)
    assert task.previous_state_transition_time == info.start_time <= info.end_time == task.state_transition_time
    node = task.node_info
    assert node.pool_id == pool
    assert node.affinity_id == f"TVM:{node.node_id}"
    assert node.task_root_directory == f"workitems/{job}/job-1/task"
    assert node.task_root_directory_url == f"{node.node_url}/files/{node.task_root_directory}"
    assert await batch.output(job) == "hello\n"


async def test_the_etag_of_a_task_does_not_change_with_its_state(batch, job):
    await batch.task(job, "/bin/true")
    before = await batch.client.get_task(job, "task")
    after = await batch.state(job, "completed")
    assert (before.etag, before.last_modified) == (after.etag, after.last_modified)


async def test_a_failing_command_is_reported_as_recorded(batch, job):
    task = await batch.run(job, "/bin/sh -c 'echo oops >&2; exit 7'")
    info = task.execution_info
    assert (info.result, info.exit_code) == ("failure", 7)
    assert info.failure_info.as_dict() == {
        "category": "usererror",
        "code": "FailureExitCode",
        "message": "The task exited with an exit code representing a failure",
        "details": [
            {"name": "Message", "value": "The task process exited with an unexpected exit code"},
            {"name": "AdditionalErrorCode", "value": "FailureExitCode"},
        ],
    }
    assert await batch.file(job, "stderr.txt") == b"oops\n"


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("/no/such/program", "CommandProgramNotFound"),
        ("no-such-program-anywhere", "CommandProgramNotFound"),
        ("/etc/passwd", "CommandLaunchFailed"),
        ("/bin/echo 'open", "CommandLaunchFailed"),
    ],
)
async def test_a_command_that_cannot_start_is_distinguished_from_one_that_fails(batch, job, command, code):
    info = (await batch.run(job, command)).execution_info
    assert (info.result, info.exit_code, info.failure_info.code) == ("failure", None, code)


async def test_the_environment_is_the_services_and_the_users_and_no_more(batch, pool, job, url, monkeypatch):
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "the emulator's own secret")
    settings = [EnvironmentSetting(name="MINE", value="a b"), EnvironmentSetting(name="AZ_BATCH_TASK_ID", value="x")]
    task = await batch.run(job, "/usr/bin/env -0", environment_settings=settings)
    output = (await batch.file(job, "stdout.txt")).decode()
    found = dict(entry.split("=", 1) for entry in output.split("\0") if entry)
    node = found["AZ_BATCH_NODE_ROOT_DIR"]
    directory = f"{node}/{task.node_info.task_root_directory}"
    assert found == {
        "PATH": os.environ["PATH"],
        "HOME": f"{directory}/wd",
        "LANG": "C.UTF-8",
        "MINE": "a b",
        "AZ_BATCH_ACCOUNT_NAME": "devbatchaccount1",
        "AZ_BATCH_ACCOUNT_URL": f"{url}/",
        "AZ_BATCH_POOL_ID": pool,
        "AZ_BATCH_NODE_ID": task.node_info.node_id,
        "AZ_BATCH_NODE_IS_DEDICATED": "true",
        "AZ_BATCH_NODE_ROOT_DIR": node,
        "AZ_BATCH_NODE_SHARED_DIR": f"{node}/shared",
        "AZ_BATCH_NODE_STARTUP_DIR": f"{node}/startup",
        "AZ_BATCH_NODE_MOUNTS_DIR": f"{node}/fsmounts",
        "AZ_BATCH_TASK_DIR": directory,
        "AZ_BATCH_TASK_WORKING_DIR": f"{directory}/wd",
        "AZ_BATCH_JOB_ID": job,
        "AZ_BATCH_TASK_ID": "task",
    }


async def test_no_shell_sees_the_command_line(batch, job):
    await batch.run(job, "/bin/echo $HOME ; ls > x")
    assert await batch.output(job) == "$HOME ; ls > x\n"


async def test_the_command_runs_in_its_working_directory_with_no_input(batch, job):
    await batch.run(job, "/bin/sh -c 'pwd; cat; ls -A'")
    assert (await batch.output(job)).endswith(f"/workitems/{job}/job-1/task/wd\n")


async def test_binary_output_is_kept_byte_for_byte(batch, job):
    await batch.run(job, "/usr/bin/env printf '\\000\\377\\r\\n'")
    assert await batch.file(job, "stdout.txt") == b"\x00\xff\r\n"


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("/bin/sh -c 'kill -9 $$'", -9),
        ("/bin/sh -c 'kill -TERM $$'", -15),
        ("/bin/sh -c '/bin/sh -c \"kill -9 \\$\\$\"; exit $?'", 137),
    ],
)
async def test_a_signal_to_the_command_is_a_negative_exit_code_and_one_to_a_shells_child_is_not(
    batch, job, command, code
):
    info = (await batch.run(job, command)).execution_info
    assert (info.exit_code, info.failure_info.code) == (code, "FailureExitCode")


async def test_tasks_are_found_by_a_negative_exit_code(batch, job):
    await batch.run(job, "/bin/sh -c 'kill -9 $$'")
    found = batch.client.list_tasks(job, filter="executionInfo/exitCode eq -9")
    assert [task.id async for task in found] == ["task"]


async def test_a_task_over_its_time_limit_is_ended_with_all_it_started(batch, job):
    limit = BatchTaskConstraints(max_wall_clock_time=timedelta(seconds=0.5), max_task_retry_count=3)
    command = "/bin/sh -c 'echo $$; sleep 60 & echo $!; wait'"
    task = await batch.run(job, command, constraints=limit)
    info = task.execution_info
    assert (info.result, info.failure_info.code, info.retry_count) == ("failure", "TaskEnded", 0)
    assert info.failure_info.message == "Task Was Ended by User Request"
    reason = "The maximum execution time configured on the task was exceeded"
    assert [detail.value for detail in info.failure_info.details] == [reason]
    await ended(*map(int, (await batch.output(job)).split()))


async def pids_of(batch, job, count):
    async def look():
        with suppress(Exception):
            pids = [int(pid) for pid in (await batch.output(job)).split()]
            return pids if len(pids) == count else None

    return await until(look)


#: A child in the background, and a grandchild that leaves the process group and the session.
FAMILY = "/bin/bash -c 'echo $$; sleep 61 & echo $!; setsid /bin/bash -c \"echo \\$\\$; exec sleep 62\" & wait'"


async def test_a_terminated_task_leaves_no_process_behind(batch, job):
    await batch.task(job, FAMILY)
    pids = await pids_of(batch, job, 3)
    assert all(is_alive(pid) for pid in pids)
    await batch.client.terminate_task(job, "task")
    task = await batch.client.get_task(job, "task")
    info = task.execution_info
    assert (task.state, info.exit_code, info.failure_info.code) == ("completed", -9, "TaskEnded")
    await ended(*pids)


async def test_a_task_makes_files_with_the_usual_modes_however_strict_the_emulator_is(batch, job):
    strict = os.umask(0o077)
    try:
        await batch.run(job, "/bin/sh -c 'umask; touch file; stat -c %a file'")
    finally:
        os.umask(strict)
    assert await batch.output(job) == "0022\n644\n"


async def test_what_was_seen_completed_stays_so_also_when_a_user_ended_it(url, batch, job):
    await batch.task(job, "/bin/sleep 60")
    before = await batch.state(job, "running")
    ending = asyncio.create_task(batch.client.terminate_task(job, "task"))
    first = await batch.state(job, "completed")
    await ending
    last = await batch.client.get_task(job, "task")
    assert first.etag == last.etag != before.etag
    assert last.last_modified == last.state_transition_time


@pytest.mark.parametrize("first", ["terminate", "delete"])
async def test_two_clients_may_end_a_running_task_at_once(url, batch, job, first):
    await batch.task(job, FAMILY)
    pids = await pids_of(batch, job, 3)
    path = f"/jobs/{job}/tasks/task"
    requests = [send(url, "POST", f"{path}/terminate"), send(url, "DELETE", path)]
    answers = await asyncio.gather(*(requests if first == "terminate" else requests[::-1]))
    terminated, deleted = answers if first == "terminate" else answers[::-1]
    assert (deleted.status, terminated.status) in {(200, 204), (200, 404), (200, 409)}
    await ended(*pids)
    assert (await send(url, "GET", path)).status == 404


async def test_a_deleted_running_task_leaves_no_process_and_no_file_behind(batch, job):
    await batch.task(job, FAMILY)
    pids = await pids_of(batch, job, 3)
    directory = directory_of(pids[0]).parent
    await batch.client.delete_task(job, "task")
    await ended(*pids)
    assert not directory.exists()
    assert not any(path.name.startswith(".task") for path in directory.parent.iterdir())


async def test_what_runs_on_after_the_command_is_ended(batch, job):
    await batch.run(job, "/bin/sh -c 'sleep 60 >/dev/null 2>&1 & echo $!'")
    pid = int(await batch.output(job))
    await ended(pid)
    assert not is_alive(pid)


async def test_where_the_system_does_not_tell_ends_they_are_looked_for(batch, job, monkeypatch):
    monkeypatch.delattr(os, "pidfd_open")
    monkeypatch.setattr(leftovers, "_PROC", Path("/no/proc"))
    failed = await batch.run(job, "/bin/sh -c 'exit 3'", "failing")
    assert failed.execution_info.exit_code == 3
    await batch.task(job, FAMILY)
    pids = await pids_of(batch, job, 3)
    await batch.client.terminate_task(job, "task")
    await ended(*pids)


async def test_only_a_bad_exit_code_is_retried(batch, job):
    limit = BatchTaskConstraints(max_task_retry_count=2)
    command = "/bin/sh -c 'echo x >> $AZ_BATCH_NODE_SHARED_DIR/$AZ_BATCH_JOB_ID; exit 1'"
    task = await batch.run(job, command, constraints=limit)
    info = task.execution_info
    assert (info.retry_count, info.exit_code, info.requeue_count) == (2, 1, 0)
    assert info.last_retry_time == info.start_time
    info = (await batch.run(job, "/no/such", "other", constraints=limit)).execution_info
    assert (info.retry_count, info.last_retry_time) == (0, None)


async def test_a_retry_may_succeed_and_does_not_see_old_files(batch, pool):
    job = await batch.job(pool)
    script = 'ls; touch mark; f="$AZ_BATCH_NODE_ROOT_DIR/../$AZ_BATCH_JOB_ID"; test -e "$f" || { touch "$f"; exit 1; }'
    limit = BatchTaskConstraints(max_task_retry_count=-1)
    info = (await batch.run(job, f"/bin/sh -c '{script}'", constraints=limit)).execution_info
    assert (info.result, info.retry_count, info.failure_info) == ("success", 1, None)
    assert await batch.output(job) == ""


async def test_files_go_all_at_once_when_their_retention_is_over(batch, job, url):
    short = BatchTaskConstraints(retention_time=timedelta(seconds=0.2))
    await batch.run(job, "/bin/bash -c 'touch {1..1000}'", constraints=short)

    async def refused():
        answer = await send(url, "GET", f"/jobs/{job}/tasks/task/files/stdout.txt")
        return answer if answer.status != 200 else None

    answer = await until(refused)
    assert (answer.status, answer.body["code"]) == (409, "TaskFilesCleanedup")


async def test_a_deleted_pool_gives_its_running_tasks_back(batch):
    pool_id = await batch.ready_pool(1)
    job = await batch.job(pool_id)
    await batch.task(job, "/bin/sh -c 'echo $$; exec sleep 60'")
    (pid,) = await pids_of(batch, job, 1)
    poller = await batch.client.begin_delete_pool(pool_id, polling_interval=0.05)
    await poller.result()
    task = await batch.client.get_task(job, "task")
    assert (task.state, task.execution_info.requeue_count) == ("active", 1)
    await ended(pid)


async def test_a_process_that_ignores_sigterm_is_ended_too(batch, job):
    await batch.task(job, "/bin/bash -c 'trap \"\" TERM INT HUP; echo $$; while :; do sleep 1; done'")
    (pid,) = await pids_of(batch, job, 1)
    os.kill(pid, signal.SIGTERM)
    await asyncio.wait_for(batch.client.terminate_task(job, "task"), 10)
    await ended(pid)
    assert not is_alive(pid)
