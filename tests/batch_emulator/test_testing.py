"""What tests of others can have an emulator do, by typed calls."""

import asyncio
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from azure.batch.models import BatchStartTask, BatchTaskCreateOptions
from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError

import batch_emulator
from batch_emulator.settings import KEY_VARIABLE
from batch_emulator.testing import BatchEmulator, EmulatorError, _connect
from tests.batch_emulator.conftest import Batch, until


@pytest.fixture(scope="module")
def started():
    with BatchEmulator.start() as emulator:
        yield emulator


@pytest.fixture
async def own(started):
    """An emulator that is empty, and a client of it that sends nothing twice."""
    started.reset()
    async with started.async_client(retry_total=0) as client:
        yield started, Batch(client)


async def add(batch, job, task_id):
    await batch.client.create_task(job, BatchTaskCreateOptions(id=task_id, command_line="/bin/true"))


async def test_requests_fail_are_cut_and_late(own):
    emulator, batch = own
    job = await batch.job("no-such-pool")
    with emulator.fail("create_task", status=503, retry_after=7, times=1) as rule:
        with pytest.raises(HttpResponseError) as refused:
            await add(batch, job, "a")
        assert (refused.value.status_code, refused.value.response.headers["Retry-After"]) == (503, "7")
        await add(batch, job, "b")
    assert (rule.matched, rule.struck) == (2, 1)
    with emulator.cut(method="POST", path=f"/jobs/{job}", when="after"):
        with pytest.raises((ServiceRequestError, ServiceResponseError)):
            await add(batch, job, "c")
        assert (await batch.client.get_task(job, "c")).state == "active"
    late = emulator.delay(0.5, "create_task", skip=1)
    started = asyncio.get_running_loop().time()
    await add(batch, job, "d")
    await add(batch, job, "e")
    assert asyncio.get_running_loop().time() - started >= 0.5
    late.remove()
    assert late.struck == 1


async def test_single_tasks_fail_in_a_collection(own):
    emulator, batch = own
    job = await batch.job("no-such-pool")
    emulator.fail("create_task_collection", status=503, single_tasks=True, times=1)
    tasks = [BatchTaskCreateOptions(id=name, command_line="/bin/true") for name in ("a", "b")]
    results = await batch.client.create_tasks(job, tasks)
    assert sorted(result.task_id for result in results.result_values) == ["a", "b"]
    assert {task.id async for task in batch.client.list_tasks(job)} == {"a", "b"}


async def test_quotas_are_set_and_lifted(own):
    emulator, batch = own
    emulator.set_quotas(active_jobs_and_schedules=0)
    with pytest.raises(HttpResponseError, match="ActiveJobAndScheduleQuotaReached"):
        await batch.job("no-such-pool")
    emulator.set_quotas()
    await batch.job("no-such-pool")


async def test_nodes_are_lost_broken_and_recovered(own):
    emulator, batch = own
    pool = await ready_pool(batch, 2)
    emulator.lose_node(pool)
    (left,) = [node async for node in batch.client.list_nodes(pool)]
    emulator.make_node_unusable(pool, code="DiskFull", message="no space")
    assert (await batch.client.get_node(pool, left.id)).errors[0].code == "DiskFull"
    emulator.recover_node(pool, left.id)
    emulator.make_node_unknown(pool, left.id)
    assert (await batch.client.get_node(pool, left.id)).state == "unknown"


async def test_start_tasks_fail(own):
    emulator, batch = own
    pool = await ready_pool(batch, 1, start_task=BatchStartTask(command_line="/bin/true", wait_for_success=True))
    emulator.fail_start_task(pool, exit_code=3)
    (node,) = [node async for node in batch.client.list_nodes(pool)]
    assert (node.state, node.start_task_info.exit_code) == ("starttaskfailed", 3)
    emulator.fail_next_start_tasks(pool, count=1)
    emulator.recover_node(pool, node.id)


async def test_files_of_a_task_expire(own):
    emulator, batch = own
    job = await batch.job(await ready_pool(batch, 1))
    await batch.run(job, "/bin/echo hello")
    emulator.expire_files(job, "task")
    with pytest.raises(HttpResponseError) as gone:
        await batch.output(job)
    assert gone.value.status_code == 409


async def ready_pool(batch, nodes, **options):
    pool = await batch.pool(nodes, **options)

    async def are_idle():
        return [node.state async for node in batch.client.list_nodes(pool)] == ["idle"] * nodes

    await until(are_idle)
    return pool


async def test_a_reset_leaves_nothing(own):
    emulator, batch = own
    await batch.job("no-such-pool")
    emulator.fail("*", status=500)
    emulator.reset()
    assert [job async for job in batch.client.list_jobs()] == []
    assert emulator.state(rows=3)["tables"]["jobs"]["count"] == 0


async def test_what_is_refused_is_said(own):
    emulator, _ = own
    with pytest.raises(EmulatorError, match=r"404: The specified pool does not exist"):
        emulator.lose_node("no-such-pool")
    with pytest.raises(EmulatorError, match=r"400: .*operation, method or path is needed"):
        emulator.fail(status=500)


def test_requests_are_signed_for_emulators_elsewhere():
    with BatchEmulator.start("--allow-host", "elsewhere.test") as emulator:
        # To the emulator, such a name may be that of something between another machine and this one.
        request = ("GET", "/_emulator/state?rows=1", b"")
        wrong = replace(emulator, key="d3Jvbmc=")
        assert emulator._signed(*request)["Authorization"] != wrong._signed(*request)["Authorization"]
        assert asked_as("elsewhere.test", emulator, *request) == 200
        assert asked_as("elsewhere.test", wrong, *request) == 403
        assert asked_as("elsewhere.test", emulator, "PUT", "/_emulator/quotas", b"{}") == 200


def asked_as(host, emulator, method, target, content):
    connection = _connect(emulator.endpoint)
    headers = {**emulator._signed(method, target, content), "Host": host}
    connection.request(method, target, content or None, headers)
    with connection.getresponse() as response:
        response.read()
    connection.close()
    return response.status


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
async def test_clients_find_it_past_a_proxy_of_the_environment(started, monkeypatch, name):
    monkeypatch.setenv(name, "http://127.0.0.1:1")
    with started.client(retry_total=0) as client:
        assert list(client.list_pools()) == []
    async with started.async_client(retry_total=0) as client:
        assert [pool async for pool in client.list_pools()] == []


FORKING = """
import os, signal, time
from batch_emulator.testing import BatchEmulator

with BatchEmulator.start():
    child = os.fork()
    if not child:
        time.sleep(60)
    ending = time.monotonic()
os.kill(child, signal.SIGKILL)
print(time.monotonic() - ending)
"""


def test_it_ends_while_a_process_that_was_forked_meanwhile_lives_on():
    printed = subprocess.run([sys.executable, "-c", FORKING], check=True, capture_output=True, text=True, timeout=50)
    # By itself; it is killed after twenty seconds.
    assert float(printed.stdout) < 15


KILLED = """
import os, signal, time
from batch_emulator.testing import BatchEmulator

with BatchEmulator.start() as emulator:
    child = os.fork()
    if child:
        print(emulator.endpoint, child, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)
"""


def test_it_ends_with_a_program_that_is_killed_though_a_process_that_it_forked_lives_on():
    command = [sys.executable, "-c", KILLED]
    root = Path(batch_emulator.__file__).parents[1]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as program:
        endpoint, child = program.stdout.readline().split()
        address = urlsplit(endpoint)
        deadline = time.monotonic() + 15
        try:
            while answers(address.hostname, address.port):
                assert time.monotonic() < deadline, "it is still there"
                time.sleep(0.05)
            os.kill(int(child), 0)
        finally:
            os.kill(int(child), signal.SIGKILL)


def answers(host, port):
    with socket.socket() as client:
        return client.connect_ex((host, port)) == 0


@pytest.mark.parametrize("variable", ["", "b3RoZXI="])
def test_a_key_of_the_users_own_is_known_wherever_it_is_kept(tmp_path, monkeypatch, variable):
    monkeypatch.setenv(KEY_VARIABLE, variable)
    file = tmp_path / "key"
    file.write_text("bXkgb3du\n", encoding="ascii")
    for options in (["--account-key-file", str(file)], [f"--account-key-file={file}"], []):
        if not (options or variable):
            continue
        with BatchEmulator.start(*options) as emulator, emulator.client(retry_total=0) as client:
            assert emulator.key == ("bXkgb3du" if options else variable)
            assert list(client.list_pools()) == []


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a/b", "\u00e4"])
def test_a_name_that_no_account_can_have_is_refused(name):
    with pytest.raises(EmulatorError, match="cannot be an account's name"), BatchEmulator.start("--account", name):
        pass


@pytest.mark.parametrize(("option", "said"), [("--version", batch_emulator.__version__), ("--help", "usage: ")])
def test_what_an_emulator_says_that_does_not_start_is_said(option, said):
    with pytest.raises(EmulatorError, match=said), BatchEmulator.start(option):
        pass


def test_no_module_of_the_working_directory_is_taken_for_one_of_python(tmp_path, monkeypatch):
    (tmp_path / "queue.py").write_text("raise SystemExit('a queue of the tests')", encoding="ascii")
    (tmp_path / "batch_emulator.py").write_text("raise SystemExit('tests of an emulator')", encoding="ascii")
    monkeypatch.chdir(tmp_path)
    with BatchEmulator.start() as emulator:
        assert emulator.state()["running"] == []


def test_an_emulator_that_has_ended_does_not_answer_and_hides_no_other_failure():
    with BatchEmulator.start() as emulator:
        pass
    with pytest.raises(EmulatorError, match=f"no answer from {emulator.endpoint}"):
        emulator.reset()
    with BatchEmulator.start() as emulator:
        rule = emulator.fail("*", status=500)
    with pytest.raises(ZeroDivisionError), rule:
        raise ZeroDivisionError
    with pytest.raises(EmulatorError), rule:
        pass


INTERRUPTED = """
from batch_emulator.testing import BatchEmulator

with BatchEmulator.start() as emulator:
    try:
        print(flush=True)
        input()
    finally:
        emulator.reset()
"""


def test_ctrl_c_at_a_terminal_leaves_the_emulator_to_the_program_that_uses_it():
    command = [sys.executable, "-c", INTERRUPTED]
    with subprocess.Popen(
        command,
        cwd=Path(batch_emulator.__file__).parents[1],
        process_group=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        program.stdout.readline()
        os.killpg(program.pid, signal.SIGINT)
        _, said = program.communicate(timeout=30)
    assert said.splitlines()[-1] == "KeyboardInterrupt"
    assert "EmulatorError" not in said


@pytest.mark.parametrize("source", ["< /dev/null", "< pyproject.toml", "<&-"])
def test_an_input_whose_end_cannot_be_waited_for_is_refused(source):
    emulator = f'"{sys.executable}" -m batch_emulator --in-memory --port 0 --until-stdin-closes {source}'
    root = Path(batch_emulator.__file__).parents[1]
    done = subprocess.run(["/bin/sh", "-c", emulator], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "--until-stdin-closes needs a standard input" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_connection_that_is_reset_is_the_end_of_input():
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    command = [sys.executable, "-m", "batch_emulator", "--in-memory", "--port", "0", "--until-stdin-closes"]
    root = Path(batch_emulator.__file__).parents[1]
    with subprocess.Popen(
        command, cwd=root, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as emulator:
        theirs.close()
        assert "ready" in emulator.stdout.readline()
        # Closed without waiting for anything, a connection is reset.
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        ours.close()
        try:
            _, said = emulator.communicate(timeout=10)
        finally:
            emulator.kill()
    assert (emulator.returncode, said) == (0, "")


#: The program that runs the tests may have the signal ignored, as nohup does.
CLOSABLE = """
import os, signal, sys
signal.signal(signal.SIGHUP, getattr(signal, sys.argv[1]))
os.execv(sys.executable, [sys.executable, "-m", "batch_emulator", "--in-memory", "--port", "0"])
"""


@pytest.mark.parametrize(("handler", "ends"), [("SIG_DFL", True), ("SIG_IGN", False)])
def test_an_emulator_whose_terminal_is_closed_ends_in_order_unless_that_is_ignored(handler, ends):
    root = Path(batch_emulator.__file__).parents[1]
    command = [sys.executable, "-c", CLOSABLE, handler]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert "ready" in process.stdout.readline()
            process.send_signal(signal.SIGHUP)
            if not ends:
                with pytest.raises(subprocess.TimeoutExpired):
                    process.wait(0.5)
                process.terminate()
            assert process.wait(20) == 0
        finally:
            process.kill()
