"""Output files, uploaded to a real Azurite."""

import pytest
from azure.batch.models import (
    OutputFile,
    OutputFileBlobContainerDestination,
    OutputFileDestination,
    OutputFileUploadConfiguration,
    OutputFileUploadHeader,
)
from azure.core.exceptions import HttpResponseError

from batch_emulator.execution.blob_upload import BLOCK_SIZE
from tests.batch_emulator.signed import send


def output(pattern, container_url, path=None, condition="taskcompletion", **destination):
    container = OutputFileBlobContainerDestination(container_url=container_url, path=path, **destination)
    return OutputFile(
        file_pattern=pattern,
        destination=OutputFileDestination(container=container),
        upload_options=OutputFileUploadConfiguration(upload_condition=condition),
    )


async def test_a_single_file_becomes_the_blob_that_the_path_names(batch, job, boxes):
    box = await boxes.container()
    url = boxes.signed(box)
    files = [output("a.txt", url, "task/named.txt"), output("sub/b.txt", url), output("missing.txt", url, "never")]
    command = "/bin/sh -c 'printf A > a.txt; mkdir sub; printf B > sub/b.txt'"
    task = await batch.run(job, command, output_files=files)
    assert task.execution_info.result == "success"
    assert await boxes.blobs(box) == {"task/named.txt": b"A", "b.txt": b"B"}


async def test_wildcards_go_below_the_path_and_pass_over_leading_dots(batch, job, boxes):
    box = await boxes.container()
    url = boxes.signed(box)
    make = "mkdir -p d/e; for name in one.txt two.txt .dot.txt d/three.txt d/e/four.txt d/.five.txt; do : > $name; done"
    files = [
        output("*.txt", url, "flat/"),
        output(".*.txt", url, "dots"),
        output("**/*.txt", url, "deep"),
        output("d/**/*.txt", url, "inside"),
        output("[!o]?o.txt", url, "brackets"),
        output("../std*.txt", url),
        output("$AZ_BATCH_TASK_WORKING_DIR/d/*.txt", url, "expanded"),
    ]
    await batch.run(job, f"/bin/sh -c '{make}; echo said'", output_files=files)
    assert set(await boxes.blobs(box)) == {
        *("flat/one.txt", "flat/two.txt", "dots/.dot.txt"),
        *("deep/one.txt", "deep/two.txt", "deep/d/three.txt", "deep/d/e/four.txt"),
        *("inside/three.txt", "inside/e/four.txt", "brackets/two.txt", "expanded/three.txt"),
        *("stdout.txt", "stderr.txt"),
    }
    assert await boxes.read(box, "stdout.txt") == b"said\n"


@pytest.mark.parametrize(("exit_code", "expected"), [(0, {"success", "completion"}), (3, {"failure", "completion"})])
async def test_the_condition_decides(batch, job, boxes, exit_code, expected):
    box = await boxes.container()
    names = ("success", "failure", "completion")
    files = [output("../stdout.txt", boxes.signed(box), name, f"task{name}") for name in names]
    task = await batch.run(job, f"/bin/sh -c 'exit {exit_code}'", output_files=files)
    assert task.execution_info.exit_code == exit_code
    assert set(await boxes.blobs(box)) == expected


async def test_the_condition_is_answered_as_recorded(url, idle_job):
    """`should_create_a_second_task_with_output_files`."""
    body = {
        "id": "t",
        "commandLine": "x",
        "outputFiles": [
            {
                "filePattern": "x",
                "destination": {"container": {"containerUrl": "http://h/c"}},
                "uploadOptions": {"uploadCondition": "taskcompletion"},
            }
        ],
    }
    assert (await send(url, "POST", f"/jobs/{idle_job}/tasks", body=body)).status == 201
    task = await send(url, "GET", f"/jobs/{idle_job}/tasks/t")
    assert task.body["outputFiles"][0]["uploadOptions"] == {"uploadCondition": "TaskCompletion"}


async def test_a_large_file_goes_in_blocks_with_its_headers(batch, job, boxes):
    box = await boxes.container()
    headers = [
        OutputFileUploadHeader(name="Content-Type", value="text/csv"),
        OutputFileUploadHeader(name="x-ms-meta-origin", value="task"),
    ]
    size = BLOCK_SIZE * 2 + 5
    files = [output(name, boxes.signed(box), upload_headers=headers) for name in ("large", "small")]
    await batch.run(job, f"/bin/sh -c 'head -c {size} /dev/zero > large; : > small'", output_files=files)
    for name, expected in (("large", size), ("small", 0)):
        blob = await boxes.client.get_blob_client(box, name).get_blob_properties()
        assert (blob.size, blob.content_settings.content_type) == (expected, "text/csv")
        assert blob.metadata == {"origin": "task"}


@pytest.mark.parametrize(
    ("permission", "box", "code"),
    [
        ("rl", "{box}", "FileUploadAccessDenied"),
        ("racwl", "no-such-box", "FileUploadContainerNotFound"),
    ],
)
async def test_a_refused_upload_fails_the_task_without_a_retry(batch, job, boxes, permission, box, code):
    box = box.format(box=await boxes.container())
    files = [output("../stdout.txt", boxes.signed(box, permission))]
    constraints = {"maxTaskRetryCount": 3}
    task = await batch.run(job, "/bin/sh -c 'exit 7'", output_files=files, constraints=constraints)
    info = task.execution_info
    assert (info.result, info.exit_code, info.retry_count) == ("failure", 7, 0)
    assert (info.failure_info.category, info.failure_info.code) == ("usererror", code)
    log = (await batch.file(job, "fileuploaderr.txt")).decode()
    assert f"{code}: stdout.txt to" in log
    assert "sig=" not in log + str(info.failure_info.as_dict())


async def test_a_storage_service_that_does_not_answer_is_a_misc_error(batch, job):
    task = await batch.run(job, "/bin/true", output_files=[output("../stdout.txt", "http://127.0.0.1:9/box?sig=x")])
    assert task.execution_info.failure_info.code == "FileUploadMiscError"


async def test_the_logs_say_what_was_uploaded_without_the_signature(batch, job, boxes):
    box = await boxes.container()
    await batch.run(job, "/bin/true", output_files=[output("../std*.txt", boxes.signed(box), "p")])
    log = (await batch.file(job, "fileuploadout.txt")).decode()
    assert f"Uploaded stdout.txt to {boxes.url(box)}/p/stdout.txt (0 bytes)" in log
    assert "sig=" not in log
    assert await batch.file(job, "fileuploaderr.txt") == b""


async def test_a_task_that_could_not_run_uploads_nothing(batch, job, boxes):
    box = await boxes.container()
    task = await batch.run(job, "/no/such/program", output_files=[output("../stdout.txt", boxes.signed(box))])
    assert task.execution_info.failure_info.code == "CommandProgramNotFound"
    assert await boxes.blobs(box) == {}


async def test_nothing_outside_the_node_is_uploaded(batch, job, boxes):
    box = await boxes.container()
    patterns = ["/etc/host*", "/etc/passwd", "../../../../../../../../../../../../etc/hostname", "link", "links/*", "*"]
    files = [output(pattern, boxes.signed(box)) for pattern in patterns]
    command = "/bin/sh -c 'ln -s /etc/passwd link; ln -s /etc links; ln -s . here; mkfifo pipe'"
    task = await batch.run(job, command, output_files=files)
    assert task.execution_info.result == "success"
    assert await boxes.blobs(box) == {}


@pytest.mark.parametrize(
    "file",
    [
        {},
        {"filePattern": "x"},
        {"filePattern": "x", "destination": {}, "uploadOptions": {"uploadCondition": "taskcompletion"}},
        {"filePattern": "x", "destination": {"container": {"containerUrl": "ftp://x"}}, "uploadOptions": {}},
        {
            "filePattern": "x",
            "destination": {"container": {"containerUrl": "http://h/x"}},
            "uploadOptions": {"uploadCondition": "later"},
        },
        {
            "filePattern": "x",
            "destination": {"container": {"containerUrl": "http://h/x", "uploadHeaders": [{"name": "a b"}]}},
            "uploadOptions": {"uploadCondition": "taskcompletion"},
        },
    ],
)
async def test_impossible_output_files_are_refused(batch, idle_job, file):
    with pytest.raises(HttpResponseError) as caught:
        await batch.task(idle_job, "/bin/true", output_files=[file])
    assert caught.value.error.code in {"InvalidPropertyValue", "MissingRequiredProperty"}
