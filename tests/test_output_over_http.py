"""The output of tasks through the running app: routes, headers and names as a real host hands them on."""

import asyncio
import json
import os
import subprocess

import aiohttp
import pytest
from yarl import URL

from tests.app_hosts import app_host
from tests.batch_core.conftest import app  # noqa: F401 - a fixture
from tests.batch_core.steps import collected, dropped

ROUTES = """
[[routes]]
name = "large"
match = "large.bin"
command = "/bin/bash -c 'cat input/*'"
[[routes]]
name = "lines"
match = "**"
command = "/bin/bash {script}"
outputs = ["**/*.csv", "page.html"]
"""
#: It prints a line whenever a file of its number appears.
SCRIPT = """
mkdir -p 'a b/ü'
printf 'x,y' >'a b/ü/100%2F#?.csv'
printf '<script>alert(1)</script>' >page.html
echo '<b>line 0</b>'
for number in 1 2; do
    until [ -e "{folder}/$number" ]; do sleep 0.05; done
    echo "line $number"
done
"""
LARGE = os.urandom(9 * 1024 * 1024)
NAME = "a b/ü/100%2F#?.csv"
QUOTED = "a%20b/%C3%BC/100%252F%23%3F.csv"


@pytest.fixture
async def url(app, environment, tmp_path):  # noqa: F811
    script, routes = tmp_path / "lines.sh", tmp_path / "routes.toml"
    script.write_text(SCRIPT.format(folder=tmp_path))
    routes.write_text(ROUTES.format(script=script))
    # What is collected is collected by the tests.
    never = {"COLLECT_SCHEDULE": "0 0 0 1 1 *", "SWEEP_SCHEDULE": "0 0 0 1 1 *", "SCALE_SCHEDULE": "0 0 0 1 1 *"}
    async with app_host(app, environment, tmp_path, ROUTES_FILE=str(routes), **never) as host:
        yield f"{host}/api/tasks"


@pytest.fixture
async def http():
    async with aiohttp.ClientSession() as session:
        yield session


async def submitted(app, http, url, name, content=b""):  # noqa: F811
    await dropped(app, name, content)
    async with http.post(url, json={"blob": name}) as response:
        return (await response.json())["task_id"]


async def get(http, url, **headers):
    """Ask for a URL as it is written; gives the status, the headers and the body."""
    async with http.get(URL(url, encoded=True), headers=headers) as response:
        return response.status, response.headers, await response.read()


async def started(http, url):
    """Wait until the task has printed something; what is asked until then says why it has not."""
    async with asyncio.timeout(30):
        while True:
            status, _, body = await get(http, url)
            if status == 200 and body:
                return
            if status != 200:
                assert (status, "has no standard output yet: " in json.loads(body)["error"]) == (409, True)
            await asyncio.sleep(0.05)


async def test_a_reader_follows_a_task_from_its_first_line_to_its_end(app, http, url, tmp_path):  # noqa: F811
    task_id = await submitted(app, http, url, "x.txt")
    stdout = f"{url}/{task_id}/stdout"
    await started(http, stdout)
    read, statuses = b"", []
    for number in (1, 2, 3):
        status, headers, body = await get(http, stdout, Range=f"bytes={len(read)}-")
        statuses.append(status)
        read += body
        assert headers["X-Task-State"] == "submitted"
        assert headers["Content-Range"] == f"bytes {len(read) - len(body)}-{len(read) - 1}/{len(read)}"
        status, headers, body = await get(http, stdout, Range=f"bytes={len(read)}-")
        assert (status, body, headers["X-Output-Size"]) == (204, b"", str(len(read)))
        (tmp_path / str(number)).touch()
        async with asyncio.timeout(30):
            while number < 3 and int((await get(http, stdout))[1]["X-Output-Size"]) == len(read):
                await asyncio.sleep(0.05)
    assert (read, set(statuses)) == (b"<b>line 0</b>\nline 1\nline 2\n", {206})
    await collected(app, task_id)
    status, headers, _ = await get(http, stdout, Range=f"bytes={len(read)}-")
    assert (status, headers["X-Task-State"], headers["X-Output-Size"]) == (204, "succeeded", str(len(read)))
    status, headers, body = await get(http, stdout, Range=f"bytes={len(read) + 1}-")
    assert (status, headers["Content-Range"]) == (416, f"bytes */{len(read)}")
    assert list(json.loads(body)) == ["error"]
    status, headers, body = await get(http, f"{stdout}?tail=7")
    assert (status, body, headers["Content-Range"]) == (
        206,
        b"line 2\n",
        f"bytes {len(read) - 7}-{len(read) - 1}/{len(read)}",
    )
    status, _, body = await get(http, f"{stdout}?tail=7", Range="bytes=0-1")
    assert (status, list(json.loads(body))) == (400, ["error"])


async def test_output_and_files_have_headers_that_let_nothing_run(app, http, url, tmp_path):  # noqa: F811
    for number in (1, 2):
        (tmp_path / str(number)).touch()
    task_id = await submitted(app, http, url, "x.txt")
    await started(http, f"{url}/{task_id}/stdout")
    for is_final in (False, True):
        status, headers, listing = await get(http, f"{url}/{task_id}/files")
        assert (status, headers.get("Content-Type")) == (200, "application/json")
        listing = json.loads(listing)
        assert listing["state"] == ("succeeded" if is_final else "submitted")
        assert {"name": NAME, "size": 3} in listing["files"]
        assert ("input/x.txt" in {file["name"] for file in listing["files"]}) is not is_final
        assert (await get(http, f"{url}/{task_id}/files/"))[2] == (await get(http, f"{url}/{task_id}/files"))[2]
        status, headers, body = await get(http, f"{url}/{task_id}/files/{QUOTED}")
        assert (status, body, headers["Content-Type"]) == (200, b"x,y", "application/octet-stream")
        assert headers["Content-Disposition"] == "attachment; filename*=UTF-8''100%252F%23%3F.csv"
        for path in (f"files/{QUOTED}", "files/page.html", "stdout", "stderr"):
            status, headers, _ = await get(http, f"{url}/{task_id}/{path}")
            assert status == 200
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
            assert headers["Cache-Control"] == "no-cache"
            if path.startswith("std"):
                assert headers["Content-Type"] == "text/plain; charset=utf-8"
        if not is_final:
            await collected(app, task_id)
    status, headers, body = await get(http, f"{url}/{task_id}/stderr")
    assert (status, body, headers["X-Output-Size"]) == (200, b"", "0")
    status, headers, _ = await get(http, f"{url}/{task_id}/stdout")
    assert (await get(http, f"{url}/{task_id}/stdout", **{"If-None-Match": headers["ETag"]}))[0] == 304


async def test_large_output_arrives_whole_in_parts_by_curl(app, http, url, tmp_path):  # noqa: F811
    task_id = await submitted(app, http, url, "large.bin", LARGE)
    await collected(app, task_id)
    stdout, file = f"{url}/{task_id}/stdout", tmp_path / "whole"
    status, headers, body = await get(http, stdout)
    assert (status, len(body), headers["Content-Range"]) == (206, 4 * 1024 * 1024, f"bytes 0-4194303/{len(LARGE)}")
    statuses = []
    for _ in range(4):
        command = ["curl", "-sS", "-C", "-", "-o", str(file), "-w", "%{http_code}", stdout]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
        statuses.append((done.stdout, done.returncode))
    assert statuses[:3] == [("206", 0)] * 3
    assert statuses[3][0] == "204"
    assert file.read_bytes() == LARGE


HOSTILE = [
    "files/../stdout",
    "files/..%2Fstdout.txt",
    "files/%2e%2e/stdout.txt",
    "files/%2e%2e%2fstdout.txt",
    "files/..%5Cstdout.txt",
    "files/%252e%252e%252fstdout.txt",
    "files/%2Fetc%2Fpasswd",
    "files//etc/passwd",
    "files/a.csv%00",
    "files/%00",
    "files/%0d%0aSet-Cookie:%20a=b",
    "files/%ff%fe",
    "files/" + "n" * 2000,
    "files/" + "%2e%2e%2f" * 200,
    "files/..%2F..%2F..%2Fsecret.txt",
    "stdout/",
    "stdout.txt",
    "stderr/x",
]


async def test_hostile_paths_read_nothing_and_are_answered_with_one_shape(app, http, url, tmp_path):  # noqa: F811
    container = app.clients.blobs.get_container_client(app.settings.output_container)
    for name in ("secret.txt", "x.txt/secret.txt"):
        await container.upload_blob(name, b"SECRET")
    for number in (1, 2):
        (tmp_path / str(number)).touch()
    task_id = await submitted(app, http, url, "x.txt")
    await started(http, f"{url}/{task_id}/stdout")
    for is_final in (False, True):
        for path in HOSTILE:
            status, headers, body = await get(http, f"{url}/{task_id}/{path}")
            if path == "stdout/":
                assert status == 200
                continue
            assert status == 404, path
            assert b"SECRET" not in body
            assert b"line 0" not in body
            assert "Set-Cookie" not in headers
            # What no route takes is the host's to answer.
            assert not body or list(json.loads(body)) == ["error"]
        if not is_final:
            await collected(app, task_id)
    for task in ("..%2Fx", "%00", "t" * 2000, f"{task_id}%2F..%2F{task_id}", "%2e%2e"):
        for path in ("stdout", "stderr", "files", "files/a.csv"):
            status, _, body = await get(http, f"{url}/{task}/{path}")
            assert (status, list(json.loads(body))) == (404, ["error"]), (task, path)
