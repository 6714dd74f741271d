"""Resource files, from a storage service of a few lines that answers as the test wants."""

import pytest
from aiohttp import web
from azure.batch.models import ResourceFile
from azure.core.exceptions import HttpResponseError

from tests.batch_emulator.signed import send

SAS = "sv=2024-01-01&sig=abc%2Bdef%3D%3D"


@pytest.fixture(scope="module")
async def source_url():
    """Blobs by path; a blob whose signature does not come as it was given is denied."""
    blobs = {"/box/in.txt": b"hello", "/box/dir/a b.txt": b"spaced", "/box/dir/deep/c": b"deep", "/box/..%2Fevil": b"x"}
    failures = {"/box/flaky": 2}

    async def answer(request):
        path, _, query = request.raw_path.partition("?")
        if SAS not in query:
            return web.Response(status=403)
        if "comp=list" in query:
            return listing(request)
        if failures.get(path, 0) > 0:
            failures[path] -= 1
            return web.Response(status=503)
        if path == "/box/flaky":
            return web.Response(body=b"at last")
        if path == "/box/broken":
            return web.Response(status=418)
        body = blobs.get(path.replace("%20", " "))
        headers = {"Content-Encoding": "gzip"} if path.endswith("in.txt") else {}
        return web.Response(status=404) if body is None else web.Response(body=body, headers=headers)

    def listing(request):
        names = {"dir/": ["dir/a b.txt", "dir/deep/c"], "evil": ["../evil"], "gen2": ["gen2"]}.get(
            request.query["prefix"], []
        )
        first = "marker" not in request.query
        shown = names[:1] if first else names[1:]
        marker = "<NextMarker>more</NextMarker>" if first and names[1:] else "<NextMarker />"
        properties = "<Properties><ResourceType>directory</ResourceType></Properties>" * (names == ["gen2"])
        items = "".join(f"<Blob><Name>{name}</Name>{properties}</Blob>" for name in shown)
        xml = f'<?xml version="1.0"?><EnumerationResults><Blobs>{items}</Blobs>{marker}</EnumerationResults>'
        return web.Response(text=xml, content_type="application/xml")

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/box"
    await runner.cleanup()


async def test_a_file_is_downloaded_as_it_is_with_its_mode(batch, job, source_url):
    files = [
        ResourceFile(http_url=f"{source_url}/in.txt?{SAS}", file_path="in/put.txt"),
        ResourceFile(http_url=f"{source_url}/dir/a%20b.txt?{SAS}", file_path="b c", file_mode="0640"),
    ]
    await batch.run(job, "/bin/sh -c 'cat in/put.txt; stat -c %a in/put.txt \"b c\"'", resource_files=files)
    assert await batch.output(job) == "hello770\n640\n"


async def test_a_passing_fault_is_tried_again(batch, job, source_url):
    files = [ResourceFile(http_url=f"{source_url}/flaky?{SAS}", file_path="x")]
    task = await batch.run(job, "/bin/cat x", resource_files=files)
    assert (task.execution_info.result, await batch.output(job)) == ("success", "at last")


async def test_a_container_keeps_its_structure(batch, job, source_url):
    files = [ResourceFile(storage_container_url=f"{source_url}?{SAS}", blob_prefix="dir/", file_path="to")]
    await batch.run(job, "/usr/bin/find . -type f -printf '%p=%s\\n'", resource_files=files)
    assert sorted((await batch.output(job)).split("\n")) == ["", "./to/dir/a b.txt=6", "./to/dir/deep/c=4"]


async def test_folder_markers_of_a_container_become_folders(batch, job, boxes):
    """As tools leave them: a blob whose name ends with a slash, and one with the metadata of HDInsight and Gen2."""
    container = await boxes.container(**{"by-name/": b"", "by-name/a.txt": b"a", "empty/": b"", "by-mark/b.txt": b"b"})
    marker = boxes.client.get_blob_client(container, "by-mark")
    await marker.upload_blob(b"", metadata={"hdi_isfolder": "true"})
    files = [ResourceFile(storage_container_url=boxes.signed(container, "rl"), file_path="to")]
    task = await batch.run(job, "/usr/bin/find to -mindepth 1 -printf '%p %y\\n'", resource_files=files)
    assert task.execution_info.result == "success", task.execution_info.failure_info
    assert sorted((await batch.output(job)).splitlines()) == [
        "to/by-mark d",
        "to/by-mark/b.txt f",
        "to/by-name d",
        "to/by-name/a.txt f",
        "to/empty d",
    ]


async def test_directories_of_a_hierarchical_namespace_become_folders(batch, job, source_url):
    files = [ResourceFile(storage_container_url=f"{source_url}?{SAS}", blob_prefix="gen2", file_path="to")]
    await batch.run(job, "/usr/bin/find to -mindepth 1 -printf '%p %y\\n'", resource_files=files)
    assert await batch.output(job) == "to/gen2 d\n"


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ({"http_url": "{source_url}/missing?{SAS}"}, "BlobNotFound"),
        ({"http_url": "{source_url}/in.txt?sig=other"}, "BlobAccessDenied"),
        ({"http_url": "{source_url}/broken?{SAS}"}, "BlobDownloadMiscError"),
        ({"http_url": "http://127.0.0.1:9/nobody?{SAS}"}, "BlobDownloadMiscError"),
        ({"storage_container_url": "{source_url}?sig=other"}, "BlobAccessDenied"),
        ({"storage_container_url": "{source_url}?{SAS}", "blob_prefix": "evil"}, "ResourceFileCreateFailed"),
    ],
)
async def test_a_failed_download_is_explained_without_the_signature(batch, job, source_url, source, code):
    source = {name: text.format(source_url=source_url, SAS=SAS) for name, text in source.items()}
    path = {} if "blob_prefix" in source else {"file_path": "x"}
    task = await batch.run(job, "/bin/true", resource_files=[ResourceFile(**source, **path)])
    info = task.execution_info
    assert (info.result, info.exit_code, info.failure_info.code) == ("failure", None, code)
    assert info.failure_info.category == "usererror"
    assert "sig=" not in str(info.failure_info.as_dict())


async def test_a_file_where_a_directory_should_be_fails_the_task(batch, job, source_url):
    files = [
        ResourceFile(http_url=f"{source_url}/in.txt?{SAS}", file_path="a"),
        ResourceFile(http_url=f"{source_url}/in.txt?{SAS}", file_path="a/b"),
    ]
    task = await batch.run(job, "/bin/true", resource_files=files)
    assert task.execution_info.failure_info.code == "ResourceFileCreateFailed"


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", "..", ".", "", "a\0b"])
async def test_a_path_out_of_the_working_directory_is_refused(url, idle_job, path):
    file = {"httpUrl": "http://127.0.0.1/x", "filePath": path}
    body = {"id": "t", "commandLine": "x", "resourceFiles": [file]}
    answer = await send(url, "POST", f"/jobs/{idle_job}/tasks", body=body)
    assert (answer.status, answer.body["code"]) == (400, "InvalidPropertyValue")


@pytest.mark.parametrize(
    "file",
    [
        {},
        {"file_path": "a"},
        {"http_url": "ftp://host/x", "file_path": "a"},
        {"http_url": "http://[", "file_path": "a"},
        {"http_url": "http://h/x"},
        {"http_url": "http://h/x", "storage_container_url": "http://h/y", "file_path": "a"},
        {"http_url": "http://h/x", "file_path": "a", "file_mode": "rwx"},
        {"http_url": "http://h/x", "file_path": "a", "blob_prefix": "b"},
    ],
)
async def test_impossible_resource_files_are_refused(batch, idle_job, file):
    with pytest.raises(HttpResponseError) as caught:
        await batch.task(idle_job, "/bin/true", resource_files=[ResourceFile(**file)])
    assert caught.value.error.code in {"InvalidPropertyValue", "MissingRequiredProperty"}
