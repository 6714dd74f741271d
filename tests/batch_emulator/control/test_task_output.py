"""One task on the interface: why it ended, and what it printed, which is text of bounded length whatever it is."""

import pytest

from batch_emulator.control.output_text import read_ends
from tests.batch_emulator.control_client import control

FIRST, LAST = 16 * 1024, 48 * 1024


async def shown(url, job, task="task"):
    answer = await control(url, "GET", f"/jobs/{job}/tasks/{task}")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json; charset=utf-8")
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.body


async def test_a_task_is_shown_with_its_failure_and_its_output(url, batch):
    job = await batch.job(await batch.ready_pool(1))
    command = '/bin/sh -c \'echo "<script>alert(1)</script>"; printf "\\033[31m" >&2; exit 3\''
    await batch.run(job, command, display_name="<b>bold</b>")
    task = await shown(url, job)
    assert (task["commandLine"], task["displayName"], task["exitCode"]) == (command, "<b>bold</b>", 3)
    assert task["failure"]["code"] == "FailureExitCode"
    assert [detail["name"] for detail in task["failure"]["details"]] == ["Message", "AdditionalErrorCode"]
    text = "<script>alert(1)</script>\n"
    assert task["stdout"] == {"size": len(text), "first": text, "omitted": 0, "last": ""}
    assert task["stderr"]["first"] == "\033[31m"


async def test_secrets_of_a_command_line_are_hidden(url, idle_job, batch):
    await batch.task(idle_job, f"curl https://x.blob.core.windows.net/c?sv=1&sig=secret {'x' * 20_000}", "secret")
    task = await shown(url, idle_job, "secret")
    assert "sig=secret" not in task["commandLine"]
    assert len(task["commandLine"]) < 9_000
    assert "problem" in task["stdout"]


async def test_files_that_are_gone_or_never_were_are_said_to_be(url, batch):
    job = await batch.job(await batch.ready_pool(1))
    await batch.run(job, "/bin/echo hello")
    assert (await control(url, "POST", f"/jobs/{job}/tasks/task/expirefiles")).status == 204
    task = await shown(url, job)
    assert (list(task["stdout"]), task["exitCode"]) == (["problem"], 0)
    assert (await control(url, "GET", f"/jobs/{job}/tasks/none")).body["code"] == "TaskNotFound"


@pytest.mark.parametrize("trick", ["ln -s /etc/passwd", "mkdir", "mkfifo"])
async def test_what_a_task_puts_in_the_place_of_its_output_is_not_read(url, batch, trick):
    job = await batch.job(await batch.ready_pool(1))
    await batch.run(job, f"/bin/sh -c 'cd ..; rm stdout.txt; {trick} stdout.txt'")
    task = await shown(url, job)
    assert task["stdout"] == {"problem": "There is no file stdout.txt."}
    assert task["stderr"]["size"] == 0


def test_of_a_large_file_both_ends_are_read(tmp_path):
    file = tmp_path / "out"
    file.write_bytes(b"a" * FIRST + b"b" * 1_000_000 + b"c" * LAST)
    assert read_ends(file) == {
        "size": FIRST + 1_000_000 + LAST,
        "first": "a" * FIRST,
        "omitted": 1_000_000,
        "last": "c" * LAST,
    }


def test_a_file_of_a_terabyte_is_no_trouble(tmp_path):
    file = tmp_path / "out"
    with file.open("wb") as sparse:
        sparse.truncate(2**40)
    assert read_ends(file)["omitted"] == 2**40 - FIRST - LAST


@pytest.mark.parametrize("size", [0, 1, FIRST, FIRST + LAST - 1, FIRST + LAST])
def test_up_to_the_bound_all_is_read(tmp_path, size):
    file = tmp_path / "out"
    file.write_bytes(b"x" * size)
    assert read_ends(file) == {"size": size, "first": "x" * size, "omitted": 0, "last": ""}


@pytest.mark.parametrize("letter", ["é", "€", "😀"])
@pytest.mark.parametrize("offset", range(4))
def test_no_letter_is_cut_in_two(tmp_path, letter, offset):
    file = tmp_path / "out"
    file.write_bytes(b"x" * offset + letter.encode() * 100_000 + b"x" * offset)
    ends = read_ends(file)
    assert set(ends["first"]) | set(ends["last"]) <= {letter, "x"}
    shown = len(ends["first"].encode()) + len(ends["last"].encode())
    assert shown + ends["omitted"] == ends["size"]


def test_binary_is_text_of_bounded_length(tmp_path):
    file = tmp_path / "out"
    file.write_bytes(bytes(range(256)) * 4000)
    ends = read_ends(file)
    assert (len(ends["first"]) <= FIRST, len(ends["last"]) <= LAST) == (True, True)
    file.write_bytes(b"\x80" * 200_000)
    assert set(read_ends(file)["last"]) == {"\ufffd"}
