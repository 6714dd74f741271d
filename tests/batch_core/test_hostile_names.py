"""Whatever a file is called: one task, the right output under its own name, or a named reason why not."""

import asyncio

import pytest

from batch_core.collect import collect
from batch_core.errors import BlobNotFound
from batch_core.naming import task_id
from batch_core.state.record import TaskState
from batch_core.submit import submit
from batch_core.sweep import sweep
from tests.batch_core.steps import TRIGGER, dropped, later, output, outputs, record_of, tasks_of, with_command
from tests.hostile_names import LISTED, STORED, UNLISTED

COMMAND = """/bin/bash -c 'cat "$INPUT_FILE"; printf %s "$INPUT_BLOB" >&2'"""


async def finished(app, task_ids):
    async with asyncio.timeout(60):
        while await app.table.open_among(task_ids):
            await collect(app)
            await asyncio.sleep(0.1)


async def became(app, name):
    """Return what one file has become: its record's state and blob, and what its command wrote."""
    version = await app.inputs.version_of(name)
    record = await record_of(app, task_id(version))
    return record.state, record.blob, await output(app, record.stdout), await output(app, record.stderr)


def success(name, content):
    return TaskState.SUCCEEDED, name, content, name.encode()


async def test_the_sweep_finds_files_of_every_name_and_each_gets_its_own_output(app):
    versions = [await dropped(app, name, kind.encode()) for kind, name in LISTED.items()]
    report = await sweep(later(with_command(app, COMMAND), minutes=5))
    assert (report.listed, report.submitted) == (len(LISTED), len(LISTED))
    await finished(app, [task_id(version) for version in versions])
    for kind, name in LISTED.items():
        assert await became(app, name) == success(name, kind.encode())
    assert len(await tasks_of(app)) == len(LISTED)
    assert len(set(await outputs(app))) == 2 * len(LISTED)
    assert (await sweep(later(app, minutes=5))).submitted == 0


@pytest.mark.parametrize("kind", UNLISTED)
async def test_names_that_azurite_cannot_list_run_all_the_same(app, kind):
    name = UNLISTED[kind]
    version = await dropped(app, name, kind.encode())
    await submit(with_command(app, COMMAND), [version], detected_by=TRIGGER)
    await finished(app, [task_id(version)])
    assert await became(app, name) == success(name, kind.encode())


@pytest.mark.parametrize("kind", STORED)
async def test_a_name_that_storage_keeps_under_another_is_known_under_that_one_alone(app, kind):
    asked, kept = STORED[kind]
    await app.clients.blobs.get_blob_client(app.settings.input_container, asked).upload_blob(b"text")
    with pytest.raises(BlobNotFound):
        await app.inputs.version_of(asked)
    assert (await app.inputs.version_of(kept)).size == 4


@pytest.mark.parametrize("name", ["../{output}/secret.txt", "a/../secret.txt", "./secret.txt", "..", "..\\secret.txt"])
async def test_no_name_leads_out_of_the_input_container(app, name):
    await app.outputs.write("secret.txt", b"secret")
    await dropped(app, "secret.txt")
    with pytest.raises(BlobNotFound, match="there is no blob"):
        await app.inputs.version_of(name.format(output=app.settings.output_container))
