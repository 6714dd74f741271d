"""Processes that a run left behind are found and gone, whatever they are just doing."""

import subprocess
from pathlib import Path

import pytest

from batch_emulator.execution import leftovers
from batch_emulator.execution.leftovers import kill_leftovers
from tests.batch_emulator.execution.test_execution import is_alive

has_no_variables = leftovers._has_no_variables


@pytest.fixture
def start(tmp_path):
    started = []

    def popen(*command, mark):
        started.append(subprocess.Popen(command, env={"PATH": "/usr/bin:/bin", "MARK": str(mark)}, cwd=tmp_path))
        return started[-1]

    yield popen
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture(params=["/proc", "no /proc"])
def anywhere(request, monkeypatch):
    """On Linux, and as on a system that shows processes otherwise."""
    if request.param != "/proc":
        monkeypatch.setattr(leftovers, "_PROC", Path("/no/proc"))


@pytest.mark.usefixtures("anywhere")
def test_they_are_gone_when_it_returns_and_others_are_left_alone(tmp_path, start):
    ours = [start("sleep", "60", mark=tmp_path) for _ in range(5)]
    other = start("sleep", "60", mark=tmp_path / "other")
    kill_leftovers("MARK", tmp_path)
    assert not any(is_alive(process.pid) for process in ours)
    assert is_alive(other.pid)
    kill_leftovers("MARK", tmp_path, below=True)
    assert not is_alive(other.pid)


def test_one_that_is_turning_into_another_program_does_not_escape(tmp_path, start):
    script = tmp_path / "again.sh"
    script.write_text('#!/bin/sh\nexec "$0"\n')
    script.chmod(0o755)
    for _ in range(20):
        process = start(str(script), mark=tmp_path)
        kill_leftovers("MARK", tmp_path)
        assert not is_alive(process.pid)


def test_one_with_an_empty_environment_is_not_waited_for(tmp_path, monkeypatch):
    looks = []
    monkeypatch.setattr(
        leftovers, "_has_no_variables", lambda process: looks.append(process.name) or has_no_variables(process)
    )
    with subprocess.Popen(["sleep", "60"], env={}) as process:
        kill_leftovers("MARK", tmp_path)
        process.kill()
    assert looks.count(str(process.pid)) == 1


@pytest.mark.usefixtures("anywhere")
def test_one_that_multiplies_does_not_escape(tmp_path, start):
    process = start("sh", "-c", "while :; do sleep 60 & sleep 0.01; done", mark=tmp_path)
    process.poll()
    kill_leftovers("MARK", tmp_path)
    assert not is_alive(process.pid)
