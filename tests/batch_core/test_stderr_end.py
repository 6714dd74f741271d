import pytest

from batch_core.state.record import TaskState
from batch_core.stderr_end import MAX_CHARACTERS, WINDOW, readable_end
from tests.batch_core.steps import collected, output, record_of, submitted, with_command


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (b"", None),
        (b" \n\n", None),
        (b"convert: no such file\n", "convert: no such file"),
        (b"a\r\nb\tc\r10%\r20%", "a\nb\tc\n10%\n20%"),
        (b"\x1b[1;31merror:\x1b[0m bad \x1b]0;title\x07end", "error: bad end"),
        (b"bell \x07 nul \x00 next-line \xc2\x85 end", "bell � nul � next-line � end"),
        (b"not utf-8 \xff\xfe", "not utf-8 ��"),
        ("right-to-left \u202egpj.exe".encode(), "right-to-left �gpj.exe"),
        ("Größe 😀".encode(), "Größe 😀"),
    ],
)
def test_the_end_is_text_that_a_terminal_and_a_page_can_show(written, shown):
    assert readable_end(written) == shown


@pytest.mark.parametrize(
    ("written", "secret"),
    [
        ("GET https://a.blob.core.windows.net/c/b?sv=2025-01-05&sp=r&sig=AbC%2Fd%3D&se=1 403", "AbC%2Fd%3D"),
        ("GET https://a.blob.core.windows.net/c/b?SIG=AbC%2Fd%3D 403", "AbC%2Fd%3D"),
        ("AccountName=a;AccountKey=a2V5a2V5==;EndpointSuffix=b", "a2V5a2V5=="),
        ("Authorization: Bearer eyJ0eXAi.eyJhdWQi.c2ln", "eyJ0eXAi"),
        ("cannot clone https://user:pa55word@host/x.git", "pa55word"),
        ("https://app/api/tasks?code=f00bar== failed", "f00bar"),
    ],
)
def test_secrets_are_left_out(written, secret):
    shown = readable_end(written.encode())
    assert secret not in shown
    assert "REDACTED" in shown


def test_what_is_long_is_cut_to_whole_lines_of_its_end():
    shown = readable_end("".join(f"line {number}\n" for number in range(10_000)).encode())
    assert len(shown) <= MAX_CHARACTERS
    assert shown.startswith("line ")
    assert shown.endswith("line 9999")
    assert len(readable_end(("😀" * 30_000).encode())) == MAX_CHARACTERS


def test_the_rest_of_a_signature_at_the_edge_of_what_is_looked_at_is_left_out():
    secret = "S" * 90
    text = f"?sig={secret} " + "x" * (WINDOW - 40)
    assert "S" not in readable_end(text.encode())


async def test_the_record_of_a_failed_task_holds_the_end_of_its_stderr_at_no_further_call(app, calls):
    command = """/bin/bash -c 'echo said; echo "cannot read ?sig=secret é" >&2; exit 3'"""
    failed = await submitted(with_command(app, command))
    fine = await submitted(with_command(app, command.replace("exit 3", "exit 0")), "fine.txt")
    for task_id in (failed.task_id, fine.task_id):
        await collected(app, task_id)
    record = await record_of(app, failed.task_id)
    assert (record.state, record.stderr_end) == (TaskState.FAILED, "cannot read ?sig=REDACTED é")
    assert (await record_of(app, fine.task_id)).stderr_end is None
    # The output itself is as the command wrote it.
    assert await output(app, record.stderr) == "cannot read ?sig=secret é\n".encode()
    files = [call.path for call in calls if call.service == "batch" and f"/{failed.task_id}/files/" in call.path]
    assert len(files) == 2


async def test_also_of_one_whose_output_is_large(app):
    command = """/bin/bash -c 'head -c 3000000 /dev/zero | tr "\\0" "x" >&2; echo; echo "the last words" >&2; exit 1'"""
    record = await collected(app, (await submitted(with_command(app, command))).task_id)
    assert record.state is TaskState.FAILED
    assert record.stderr_end.endswith("xthe last words")
    assert len(record.stderr_end) == MAX_CHARACTERS
