import asyncio
import socket
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from local.errors import NotInstalledError, NotReadyError, PortsTakenError, ProcessEndedError
from local.ports import free_ports, is_free, require_free
from local.processes import ChildProcess


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


async def test_a_process_is_ended_together_with_what_it_started(tmp_path):
    code = (
        "import subprocess, time; child = subprocess.Popen(['sleep', '300'])\n"
        "print(f'child {child.pid}', flush=True); time.sleep(300)"
    )
    async with await ChildProcess.start("parent", python(code), log=tmp_path / "log") as parent:
        line = await parent.wait_for_line(r"child (\d+)\n", seconds=10)
    assert parent.exit_code == -15
    for _ in range(100):
        if not is_running(int(line[1])):
            return
        await asyncio.sleep(0.02)
    pytest.fail("the child's child is still there")


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


async def test_a_process_that_ignores_sigterm_is_killed(tmp_path):
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(300)"
    )
    process = await ChildProcess.start("deaf", python(code), log=tmp_path / "log")
    await process.wait_for_line("up", seconds=10)
    await process.stop(grace_seconds=0.2)
    assert process.exit_code == -9


async def test_one_that_ends_while_it_is_waited_for_is_reported_with_its_log(tmp_path):
    process = await ChildProcess.start("early", python("print('my reason'); exit(3)"), log=tmp_path / "log")
    with pytest.raises(ProcessEndedError, match=r"(?s)early ended with exit code 3.*my reason"):
        await process.wait_for_line("never", seconds=10)


async def test_one_that_never_gets_ready_is_reported_with_its_log(tmp_path):
    code = "import time; print('still thinking', flush=True); time.sleep(300)"
    async with await ChildProcess.start("slow", python(code), log=tmp_path / "log") as process:
        with pytest.raises(NotReadyError, match=r"(?s)slow was not ready after 1 s.*still thinking"):
            await process.wait_for_line("never", seconds=1)


async def test_a_missing_program_is_named(tmp_path):
    with pytest.raises(NotInstalledError, match="'no-such-program'"):
        await ChildProcess.start("it", ["no-such-program"], log=tmp_path / "log")


async def test_no_other_process_is_given_a_port_even_before_anything_listens_on_it(tmp_path):
    code = "from local.ports import free_ports; print(*free_ports(500), flush=True); import time; time.sleep(300)"
    mine = free_ports(100)
    given = set(mine)
    async with AsyncExitStack() as stack:
        for number in range(3):
            process = await ChildProcess.start("drawer", python(code), log=tmp_path / str(number), cwd=Path.cwd())
            await stack.enter_async_context(process)
            line = await process.wait_for_line(r"[\d ]+\n", seconds=30)
            ports = set(map(int, line[0].split()))
            assert len(ports) == 500
            assert not ports & given
            given |= ports


def test_every_taken_port_is_named_with_what_wanted_it():
    one, two, free = free_ports(3)
    with socket.create_server(("127.0.0.1", one)), socket.create_server(("127.0.0.1", two)):
        assert [is_free(port) for port in (one, two, free)] == [False, False, True]
        with pytest.raises(PortsTakenError) as raised:
            require_free({"the first": one, "the second": two, "the third": free})
    assert f"{one}  for the first\n" in str(raised.value)
    assert f"{two}  for the second\n" in str(raised.value)
    assert "the third" not in str(raised.value)
    require_free({"the first": one})
