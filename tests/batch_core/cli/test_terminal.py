"""What a person sees on a terminal, and a program elsewhere."""

import asyncio
import os
import pty
import re
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import get_args

import pytest

from batch_core.cli.filters import State
from batch_core.cli.program import COMMANDS
from batch_core.collect import collect
from batch_core.intake import take
from batch_core.state.record import TaskState
from tests.batch_core.steps import collected, submitted, with_command

#: An escape sequence.
ESCAPE = "\x1b["
HOSTILE = b"\x1b]0;title\x07\x1b[31mred\x9b2J [bold]text[/bold]\r\nGr\xc3\xbc\xc3\x9fe\n"


@pytest.fixture
def variables(environment, batch_endpoint):
    paths = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd()), "TERM": "xterm-256color", "COLUMNS": "200"}
    measured = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    return environment | {"BATCH_ENDPOINT": batch_endpoint} | paths | measured


@pytest.fixture
def started(variables, tmp_path):
    """Start `python -m batch_core`; the signal of Ctrl-C is heeded, whatever started the tests."""

    async def start(*arguments, out=subprocess.PIPE, err=subprocess.PIPE, **more):
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "batch_core", *arguments),
            cwd=tmp_path,
            env=variables | more,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )

    return start


@pytest.fixture
def on_terminal(started):
    """Run a command whose output is a terminal; returns its exit code and what the terminal was sent."""

    async def run(*arguments, until=None, **more):
        leader, follower = pty.openpty()
        try:
            process = await started(*arguments, out=follower, err=follower, **more)
            reading = asyncio.create_task(asyncio.to_thread(_read, leader, until, process))
            code = await process.wait()
            os.close(follower)
            return code, await reading
        finally:
            os.close(leader)

    return run


def _read(leader, until, process):
    """Read until the other end is closed; once that was seen often enough, press Ctrl-C."""
    text = ""
    while True:
        try:
            text += os.read(leader, 65536).decode(errors="replace")
        except OSError:
            return text
        if until and text.count(until) >= 2:
            process.send_signal(signal.SIGINT)
            until = None


async def test_a_terminal_gets_colours_and_no_orders_of_others(app, on_terminal):
    record = await submitted(with_command(app, "/bin/bash -c 'cat \"$INPUT_FILE\"'"), "[red]a[/red].txt", HOSTILE)
    await collected(app, record.task_id)
    code, text = await on_terminal("list")
    assert (code, "\x1b[32msucceeded\x1b[0m" in text, "[red]a[/red].txt" in text) == (0, True, True)
    code, text = await on_terminal("logs", record.task_id)
    assert (code, text) == (
        0,
        "\\x1b]0;title\\x07\\x1b[31mred\N{REPLACEMENT CHARACTER}2J [bold]text[/bold]\r\nGrüße\r\n",
    )


@pytest.mark.parametrize("command", [["list"], ["summary"], ["pools"], ["doctor"]])
async def test_no_color_and_what_is_no_terminal_get_no_colours(app, on_terminal, batchdrop, command):
    await submitted(with_command(app, "/bin/true"))
    assert ESCAPE not in (await on_terminal(*command, NO_COLOR="1"))[1]
    done = await batchdrop(*command, FORCE_COLOR="1")
    assert (ESCAPE in done.text + done.err, done.code) == (False, int(command == ["doctor"]))


@pytest.mark.parametrize("no_color", ["", "1"])
async def test_a_long_name_leaves_state_age_and_why_whatever_is_said_of_colours(app, on_terminal, no_color):
    bad = with_command(app, "/bin/false")
    await collected(bad, (await submitted(bad, f"letters/{'very-' * 40}long.txt")).task_id)
    code, text = await on_terminal("list", COLUMNS="80", NO_COLOR=no_color)
    head, row, *_ = re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()
    assert (code, head.split()) == (0, ["STATE", "AGE", "FILE", "WHY"])
    assert row.startswith("failed ")
    assert row.endswith("the command ended with exit code 1")
    assert len(row) <= 80
    assert "there is no room for TASK: " in text


async def test_watch_draws_until_ctrl_c_which_is_how_it_is_meant_to_end(app, on_terminal):
    await submitted(with_command(app, "/bin/true"), "watched.txt")
    code, text = await on_terminal("watch", "--interval", "0.2", until="watched.txt")
    assert (code, "Traceback" in text, ESCAPE in text) == (0, False, True)


@pytest.mark.parametrize("option", [[], ["--json"]])
async def test_without_a_terminal_watch_prints_each_look(app, started, option):
    await submitted(with_command(app, "/bin/true"), "watched.txt")
    process = await started("watch", "--interval", "0.2", *option)
    text = b""
    while text.count(b"watched.txt" if not option else b'"open"') < 2:
        text += await process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = await process.communicate()
    assert (process.returncode, err, ESCAPE.encode() in text + out) == (0, b"", False)


async def test_ctrl_c_ends_what_follows_without_a_traceback(app, started):
    record = await submitted(with_command(app, "/bin/bash -c 'echo begun; sleep 600'"))
    process = await started("logs", "-f", record.task_id)
    assert await process.stdout.readline() == b"begun\n"
    process.send_signal(signal.SIGINT)
    _, err = await process.communicate()
    assert (process.returncode, err.splitlines()[-1]) == (130, b"stopped by Ctrl-C")
    await app.batch.terminate_task(record.job_id, record.task_id)


@pytest.mark.parametrize("names", [["a.txt"], ["a.txt", "b.txt"]])
async def test_ctrl_c_while_tasks_are_awaited_says_that_they_run_on_and_how_to_follow_them(
    app, started, tmp_path, names
):
    for name in names:
        (tmp_path / name).write_text("text\n")
    process = await started("drop", "--wait", *names)
    said = [await process.stderr.readline() for _ in names]
    # What is waited for.
    await process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, err = await process.communicate()
    *_, advice, _, last = err.decode().splitlines()
    assert (process.returncode, last) == (130, "stopped by Ctrl-C")
    if len(names) == 1:
        identity = said[0].decode().rpartition(" ")[2].strip()
        assert advice.startswith(f"the task runs on: `batchdrop logs -f {identity}` follows it")
    else:
        assert advice.startswith("the tasks run on: `batchdrop list` shows them")


async def test_a_reader_that_stops_reading_sees_no_traceback(app, started, tmp_path):
    record = await submitted(with_command(app, "/bin/bash -c 'yes | head -c 3000000'"))
    await collected(app, record.task_id)
    reader, writer = os.pipe()
    process = await started("logs", record.task_id, out=writer)
    os.close(writer)
    os.close(reader)
    _, err = await process.communicate()
    assert (process.returncode, err) == (1, b"")


async def test_files_are_dropped_and_saved_with_progress_on_a_terminal(app, on_terminal, tmp_path):
    (tmp_path / "a [red].txt").write_bytes(os.urandom(5 * 1024 * 1024))
    code, text = await on_terminal("drop", "a [red].txt")
    assert (code, "a [red].txt -> input-" in text) == (0, True)
    record = await collected(app, (await submitted(app, "b [red].txt")).task_id)
    code, text = await on_terminal("get", record.task_id, "saved")
    assert (code, "saved/stdout.txt\r\n" in text, "2 files saved in saved" in text) == (0, True, True)


async def test_a_wait_is_drawn_on_a_terminal_and_its_results_stay(app, on_terminal, tmp_path):
    (tmp_path / "[red].txt").write_text("text\n")
    waiting = asyncio.create_task(on_terminal("drop", "--wait", "[red].txt"))
    async with asyncio.timeout(60):
        while not waiting.done():
            await take(app, app.settings.input_container, "[red].txt")
            await collect(app)
            await asyncio.sleep(0.1)
    code, text = await waiting
    assert (code, "0 of 1 ended; [red].txt: " in text, "text\r\n" in text) == (0, True, True)


async def test_an_encoding_without_letters_for_a_name_shows_them_escaped(app, started):
    await submitted(with_command(app, "/bin/true"), "Gr\u00fc\u00dfe.txt")
    process = await started("list", PYTHONIOENCODING="ascii")
    out, err = await process.communicate()
    assert (process.returncode, err, b"Gr\\xfc\\xdfe.txt" in out) == (0, b"", True)


async def test_every_command_explains_itself_with_an_example(batchdrop):
    every = await batchdrop("--help")
    assert every.code == 0
    for name in COMMANDS:
        assert re.search(rf"^    {name} +[A-Z]", every.text, re.MULTILINE), name
        done = await batchdrop(name, "--help")
        assert (done.code, done.err) == (0, "")
        assert re.search(rf"\nFor example:\n    .*batchdrop {name}", done.text)
        if name != "completion":
            assert "--json" in done.text
            assert "--settings FILE" in done.text
        assert max(map(len, done.lines)) <= 120


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
async def test_shells_are_given_completion(batchdrop, shell):
    done = await batchdrop("completion", shell)
    assert done.code == 0
    assert all(name in done.text for name in COMMANDS)
    assert all(state in done.text for state in TaskState)


def test_the_states_that_shells_complete_are_those_that_there_are():
    assert list(get_args(State.__value__)) == list(TaskState)


async def test_the_completion_of_bash_is_a_script_that_bash_takes(batchdrop, tmp_path):
    (tmp_path / "batchdrop").write_bytes((await batchdrop("completion", "bash")).out)
    script = f"source {tmp_path / 'batchdrop'}; complete -p batchdrop"
    command = ["bash", "-c", script]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip().endswith("batchdrop")) == (0, True), done.stderr
