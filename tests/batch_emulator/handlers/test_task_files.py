from urllib.parse import quote

import pytest
from azure.core.exceptions import HttpResponseError

from tests.batch_emulator.conftest import until
from tests.batch_emulator.signed import send

AWKWARD = "wd/sub dir/a%20b &=:+ü.txt"


@pytest.fixture(scope="module")
async def done(batch, pool):
    """A job whose task left files with awkward names."""
    job = await batch.job(pool)
    await batch.run(
        job,
        '/bin/sh -c \'printf 0123456789; mkdir "sub dir"; printf awkward > "sub dir/a%20b &=:+ü.txt";'
        " ln -s /etc/passwd secret; ln -s ../stdout.txt inner; mkfifo pipe; : > empty'",
    )
    return job


async def test_files_are_listed_with_their_properties(batch, done, url):
    listed = [file.as_dict() async for file in batch.client.list_task_files(done, "task")]
    assert [file["name"] for file in listed] == ["stderr.txt", "stdout.txt", "wd"]
    stdout, wd = listed[1:]
    assert stdout["url"] == f"{url}/jobs/{done}/tasks/task/files/stdout.txt"
    properties = stdout["properties"]
    assert (properties["contentLength"], properties["contentType"]) == ("10", "text/plain")
    assert wd == {"name": "wd", "url": f"{url}/jobs/{done}/tasks/task/files/wd", "isDirectory": True}


async def test_a_recursive_list_names_what_is_inside(batch, done):
    listed = [file.name async for file in batch.client.list_task_files(done, "task", recursive=True)]
    assert AWKWARD in listed
    assert "wd/secret" not in listed
    paged = batch.client.list_task_files(done, "task", recursive=True, max_results=1)
    assert [file.name async for file in paged] == listed
    some = batch.client.list_task_files(done, "task", recursive=True, filter="startswith(name, 'STD')")
    assert [file.name async for file in some] == ["stderr.txt", "stdout.txt"]


async def test_a_filter_on_anything_but_names_is_refused(batch, done):
    with pytest.raises(HttpResponseError) as caught:
        [file async for file in batch.client.list_task_files(done, "task", filter="size gt 1")]
    assert caught.value.error.code == "InvalidQueryParameterValue"


async def test_awkward_names_are_served(batch, done):
    assert await batch.file(done, AWKWARD) == b"awkward"


async def test_properties_come_as_headers(batch, done, url):
    found = await batch.client.get_task_file_properties(done, "task", "stdout.txt")
    assert (found.content_length, found.is_directory) == (10, False)
    answer = await send(url, "HEAD", f"/jobs/{done}/tasks/task/files/stdout.txt")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/plain"
    assert answer.headers["ocp-batch-file-isdirectory"] == "False"
    encoded = f"{url}/jobs/{done}/tasks/task/files/stdout.txt".replace(":", "%3A").replace("/", "%2F")
    assert answer.headers["ocp-batch-file-url"] == encoded
    assert {"ocp-batch-file-mode", "Last-Modified"} <= set(answer.headers)


@pytest.mark.parametrize(
    ("header", "expected"),
    [("bytes=0-3", b"0123"), ("bytes=8-", b"89"), ("bytes=5-5", b"5"), ("bytes=0-99", b"0123456789")],
)
async def test_a_range_is_answered_with_200(batch, done, url, header, expected):
    assert await batch.file(done, "stdout.txt", ocp_range=header) == expected
    path = f"/jobs/{done}/tasks/task/files/stdout.txt"
    answer = await send(url, "GET", path, headers={"ocp-range": header})
    assert (answer.status, answer.body) == (200, expected)


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=5-4", "bytes=-5", "lines=0-1", "bytes=0-1,3-4", "bytes=x-"])
async def test_an_impossible_range_is_refused(done, url, header):
    path = f"/jobs/{done}/tasks/task/files/stdout.txt"
    answer = await send(url, "GET", path, headers={"ocp-range": header})
    assert (answer.status, answer.body["code"]) == (416, "InvalidRange")


async def test_an_empty_file_is_empty(batch, done):
    assert await batch.file(done, "wd/empty") == b""


@pytest.mark.parametrize(
    "path",
    [
        "missing.txt",
        "wd",
        "wd/pipe",
        "wd/secret",
        "..",
        "../task/stdout.txt",
        "wd/../../../../../../../../../../etc/passwd",
        "/etc/passwd",
        "wd/\0",
        "wd/" + "x" * 300,
    ],
)
async def test_what_is_no_file_below_the_task_is_not_found(done, url, path):
    answer = await send(url, "GET", f"/jobs/{done}/tasks/task/files/{quote(path, safe='')}")
    assert (answer.status, answer.body["code"]) == (404, "FileNotFound")


async def test_plain_slashes_in_the_path_are_taken(done, url):
    answer = await send(url, "GET", f"/jobs/{done}/tasks/task/files/wd/inner")
    assert (answer.status, answer.body) == (200, b"0123456789")
    outside = await send(url, "GET", f"/jobs/{done}/tasks/task/files/wd/%2e%2e/%2e%2e/other/stdout.txt")
    assert outside.status == 404


async def test_a_task_that_never_ran_has_no_files(batch, idle_job, url):
    await batch.task(idle_job, "/bin/true")
    answer = await send(url, "GET", f"/jobs/{idle_job}/tasks/task/files/stdout.txt")
    assert (answer.status, answer.body["code"]) == (409, "TaskFilesUnavailable")


async def test_output_can_be_read_while_the_task_runs(batch, job):
    await batch.task(job, "/bin/sh -c 'echo early; exec sleep 60'")

    async def early():
        try:
            return await batch.output(job)
        except HttpResponseError:
            return ""

    assert await until(early) == "early\n"
    await batch.client.delete_task(job, "task")


async def test_a_large_file_is_streamed_whole(batch, job):
    await batch.run(job, "/usr/bin/head -c 20000000 /dev/zero")
    stream = await batch.client.download_task_file(job, "task", "stdout.txt")
    assert sum([len(chunk) async for chunk in stream]) == 20_000_000
