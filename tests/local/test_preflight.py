"""What is wrong is reported before anything is started, in a sentence, and nothing is left of the attempt."""

import os
import socket
import sys
import time
from dataclasses import replace

import pytest

from local import preflight
from local.errors import FolderError, NotInstalledError, PortsTakenError, SettingsFileError
from local.lock import locked
from local.processes import ChildProcess
from local.settings_file import EXAMPLE, AppSettings
from tests.local.hosts import CHECKOUT
from tests.local.test_stack import command, own_settings


async def ended_at_once(tmp_path, file, *arguments, env=None) -> str:
    """Run `up`, which must end soon without a traceback and without having started anything; returns what it said."""
    line = command("up", file, "--host", "embedded", *arguments)
    began = time.monotonic()
    async with await ChildProcess.start("up", line, log=tmp_path / "up.log", cwd=CHECKOUT, env=env) as process:
        await process.ended()
    text = (tmp_path / "up.log").read_text()
    assert process.exit_code == 1
    assert "Traceback" not in text
    assert "Starting" not in text
    assert time.monotonic() - began < 10
    return text


async def test_wrong_settings(tmp_path):
    file, _ = own_settings(tmp_path, SWEEP_GRACE="soon", BATCH_POOL_ID="")
    text = await ended_at_once(tmp_path, file, "--state", str(tmp_path / "state"))
    assert f"settings of {file} are wrong:\n" in text
    assert "SWEEP_GRACE is" in text
    assert "BATCH_POOL_ID is missing" in text


async def test_a_folder_that_cannot_be_written(tmp_path):
    file, _ = own_settings(tmp_path)
    (tmp_path / "a file").write_text("")
    text = await ended_at_once(tmp_path, file, "--state", str(tmp_path / "a file" / "state"))
    assert "the stack cannot keep its state in" in text
    assert "(Not a directory): choose another with --state" in text


async def test_a_second_stack_on_a_folder_in_use_says_whose_it_is(tmp_path):
    file, _ = own_settings(tmp_path)
    (tmp_path / "state").mkdir()
    with locked(tmp_path / "state"):
        text = await ended_at_once(tmp_path, file, "--state", str(tmp_path / "state"))
    assert f"a stack is up already in {tmp_path}/state (process {os.getpid()})" in text
    with locked(tmp_path / "state"):
        pass


async def test_up_without_a_node(tmp_path):
    file, _ = own_settings(tmp_path)
    (tools := tmp_path / "bin").mkdir()
    text = await ended_at_once(
        tmp_path, file, "--state", str(tmp_path / "state"), env={**os.environ, "PATH": str(tools)}
    )
    assert "Azurite needs Node.js 20 or newer" in text
    assert "there is no `node` on PATH" in text


@pytest.mark.parametrize(
    ("stub", "words"),
    [
        ("", "there is no `node` on PATH"),
        ("echo v18.19.1", "node is v18.19.1"),
        ("exit 1", "none that reports its version"),
    ],
)
async def test_a_node_that_is_absent_too_old_or_broken(tmp_path, monkeypatch, stub, words):
    _, ports = own_settings(tmp_path)
    settings = AppSettings.read(tmp_path / "own.settings.json")
    tools = tmp_path / "bin"
    tools.mkdir()
    if stub:
        (tools / "node").write_text(f"#!/bin/sh\n{stub}\n")
        (tools / "node").chmod(0o755)
    monkeypatch.setenv("PATH", str(tools))
    with pytest.raises(NotInstalledError, match=r"Azurite needs Node\.js 20 or newer") as caught:
        await preflight.check(settings, ports)
    assert words in str(caught.value)


def test_a_port_that_there_is_not_and_one_that_is_named_twice(tmp_path):
    for port in (0, 99999):
        with pytest.raises(SettingsFileError, match=f"names port {port} for the host: there are 1 to 65535"):
            preflight.check_ports({"the host": port}, tmp_path)
    with pytest.raises(SettingsFileError, match="names port 7071 twice: for the host and for Batch"):
        preflight.check_ports({"the host": 7071, "Batch": 7071}, tmp_path)


@pytest.mark.parametrize(("file", "named"), [(CHECKOUT / "my.json", "my.json"), (EXAMPLE, "local.settings.json")])
def test_a_taken_port_is_said_with_where_others_are_ready_to_copy(file, named):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(PortsTakenError) as caught:
            preflight.check_ports({"the host": port}, file)
    assert str(caught.value).endswith(
        f'or choose others in {CHECKOUT / named}: "Other ports" in local/README.md has them ready to copy.'
    )
    assert f"  {port}  for the host\n" in str(caught.value)


def test_a_folder_that_was_made_for_nothing_is_gone_again(tmp_path, monkeypatch):
    def full(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(preflight.tempfile, "TemporaryFile", full)
    with pytest.raises(FolderError, match=r"\(No space left on device\)"):
        preflight.check_folder(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


async def test_node_of_this_machine_is_fine():
    assert await preflight.check_node() is None


def test_azurite_that_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setattr(preflight.azurite, "_SCRIPT", tmp_path / "azurite.js")
    with pytest.raises(NotInstalledError, match="run `make setup`"):
        preflight.azurite.require_installed()


async def test_a_port_on_the_command_line_of_the_host_that_there_is_not(tmp_path):
    line = [sys.executable, "-m", "local.host", "--port", "99999"]
    async with await ChildProcess.start("host", line, log=tmp_path / "log", cwd=CHECKOUT) as process:
        await process.ended()
    assert process.tail(1).endswith("argument --port: '99999' is no port: there are 1 to 65535")


def test_hints_name_the_settings_that_were_used(tmp_path):
    example = AppSettings.example()
    assert replace(example, file=tmp_path / "my own.json").option == f" --settings '{tmp_path}/my own.json'"
    assert AppSettings.read().option == ""
