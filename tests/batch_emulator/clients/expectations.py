"""What the programs for azure-batch of all releases before 15 wait for and look at; it is beside them."""

import time

from azure.batch import models


def until(look, expected, seconds=20):
    """Wait for a value; fail with what was seen last."""
    deadline = time.monotonic() + seconds
    while (seen := look()) != expected:
        assert time.monotonic() < deadline, f"expected {expected!r}, last seen: {seen!r}"
        time.sleep(0.05)


def code_of(call, *arguments):
    """Return the error code that a call is refused with."""
    try:
        call(*arguments)
    except models.BatchErrorException as exc:
        return exc.error.code
    raise AssertionError("it was not refused")


def output(client, job_id, task_id):
    """Return what a task has written to its standard output."""
    return b"".join(client.file.get_from_task(job_id, task_id, "stdout.txt"))
