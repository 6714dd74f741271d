"""What one input may cost, and who may read what the emulator keeps."""

import asyncio
import signal
import time
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from batch_emulator import bounds
from batch_emulator.autoscale.evaluator import evaluate
from batch_emulator.execution.file_patterns import find_matches
from batch_emulator.location import Location
from batch_emulator.server import running
from batch_emulator.settings import Settings
from batch_emulator.store.dump import HIDDEN, _shown
from tests.batch_emulator.autoscale.test_autoscale_language import circumstances
from tests.batch_emulator.control_client import control
from tests.batch_emulator.execution.test_process import emulator
from tests.batch_emulator.signed import send


def test_vectors_that_double_are_an_error_of_the_formula():
    evaluation = evaluate("a=[1];" + "a=[a,a];" * 25, circumstances())
    assert "more than 100000 steps" in evaluation.error


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*a*a*a*a*a*a*a*a*b", []),
        ("**/*a*a*a*a*a*a*a*a*b", []),
        ("*a*a*a*a*a*c", ["a" * 150 + "c"]),
        ("**/*.txt", ["d/e/x.txt", "d/x.txt", "x.txt"]),
        ("d/**", ["d/e/x.txt", "d/x.txt"]),
        ("**/e/*", ["d/e/x.txt"]),
        ("d/*", ["d/x.txt"]),
        ("*a" * 5000, []),
    ],
)
def test_patterns_are_matched_without_going_back(tmp_path, pattern, found):
    # An alarm interrupts a regular expression no more than SIGTERM did: this test would hang, not merely be slow.
    (tmp_path / "d/e").mkdir(parents=True)
    for name in ("a" * 150 + "c", "x.txt", "d/x.txt", "d/e/x.txt", ".h.txt", "d/.h.txt"):
        (tmp_path / name).touch()
    assert [match.name for match in find_matches(pattern, tmp_path, tmp_path)] in (found, [n[2:] for n in found])


@pytest.mark.parametrize(
    "text",
    [
        "curl https://me:pass@word-PW@host/x",
        "curl 'https://host/x?code=PW&a=b'",
        "tool --password PW",
        "tool --api-key='PW'",
        "X_TOKEN=PW tool",
        "AccountName=a;AccountKey=PW==;EndpointSuffix=x",
        "SharedAccessSignature=sv=1&sig=PW",
        'curl -H "Authorization: Bearer PW" https://host/x',
        "curl -H 'authorization:Basic PW' https://host/x",
        r'sh -c "curl -H \"Authorization: SharedKey me:PW\" x"',
        '{"Authorization": "Bearer PW"}',
        "curl --oauth2-bearer x -H 'X: bearer PW'",
        "curl -H 'Cookie: session=PW; other=PW' x",
        "curl -u user:PW https://host/x",
        "curl -su 'user:a PW' x",
        'curl --user "user:a PW" x',
        "curl --proxy-user=user:PW x",
        "curl -U user:'a PW' x",
    ],
)
def test_the_dump_shows_no_secret_of_a_command_line(text):
    shown = _shown("commandLine", text)
    assert "PW" not in shown
    assert HIDDEN in shown


@pytest.mark.parametrize(
    "piece",
    ["-", "-a", "://", "?", "key ", "sig=", "-u ", "-u a", '-u "', "authorization", "authorization: ", "bearer "],
)
def test_a_long_text_is_redacted_at_once(piece):
    # With a cost of its square this would take minutes.
    assert isinstance(_shown("commandLine", piece * 200_000), str)


def test_the_dump_shows_no_value_whose_name_says_that_it_is_a_secret():
    shown = _shown("metadata", [{"name": "db-password", "value": "PW"}, {"name": "key of it", "value": "seen"}])
    assert shown == [{"name": "db-password", "value": HIDDEN}, {"name": "key of it", "value": "seen"}]


def test_the_state_is_for_its_user_alone_also_where_an_older_version_made_it(tmp_path):
    (tmp_path / "nodes").mkdir(mode=0o755)
    for name in ("batch.db", "batch.db-wal", "batch.db-shm", "lock"):
        (tmp_path / name).touch(mode=0o644)
    Location.claim(tmp_path).release()
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes.pop("nodes") == 0o700
    assert set(modes.values()) == {0o600}


HEAD = b"POST /_emulator/faults HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture
async def strict(monkeypatch):
    monkeypatch.setattr(bounds, "IDLE_SECONDS", 0.3)
    monkeypatch.setattr(bounds, "BODY_SECONDS", 0.3)
    monkeypatch.setattr(bounds, "MAX_CONNECTIONS", 3)
    async with running(Settings(port=0)) as address:
        yield address


async def connected(url):
    return await asyncio.open_connection(*urlsplit(url).netloc.split(":"))


@pytest.mark.parametrize("sent", [b"", HEAD, b"GET /_emulator/faults HTTP/1.1\r\nHost: localhost\r\n\r\n"])
async def test_a_connection_that_sends_no_whole_request_is_closed(strict, sent):
    reader, writer = await connected(strict)
    writer.write(sent)
    async with asyncio.timeout(15):
        await reader.read()
    assert reader.at_eof()
    writer.close()


async def test_a_body_that_does_not_arrive_is_reported_as_such(strict):
    reader, writer = await connected(strict)
    writer.write(HEAD + b"Content-Length: 100\r\n\r\n{")
    async with asyncio.timeout(15):
        assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_connections_beyond_the_limit_are_closed_and_the_others_served(strict, monkeypatch):
    monkeypatch.setattr(bounds, "MAX_CONNECTIONS", 1)
    kept = await connected(strict)
    kept[1].write(HEAD + b"Content-Length: 2\r\n\r\n[")
    beyond = await connected(strict)
    async with asyncio.timeout(15):
        with suppress(ConnectionResetError):
            assert await beyond[0].read() == b""
        kept[1].write(b"]")
        assert (await kept[0].readline()).startswith(b"HTTP/1.1 400 ")
    for _, writer in (kept, beyond):
        writer.close()


TERM = "id ne 'x' and "
HEAVY = [
    ("GET", "/jobs/{job}/tasks?$filter=" + TERM * 250 + "id eq 'none'", None, 200),
    ("POST", "/pools/{pool}/evaluateautoscale", "a=[1];" + "a=[a,a];" * 13 + "b=std(a);" * 500, 200),
    ("POST", "/pools/{pool}/evaluateautoscale", 'a="x";' + "a=a+a;" * 1000, 200),
    ("POST", "/pools/{pool}/evaluateautoscale", "a=$CPUPercent.GetSample(1000);" * 250, 200),
]


@pytest.mark.parametrize(("method", "path", "formula", "status"), HEAVY)
async def test_a_heavy_filter_or_formula_keeps_nobody_waiting_and_no_end(tmp_path, method, path, formula, status):
    async with emulator("--location", str(tmp_path)) as (process, line, batch):
        url, job, pool = line.split()[5], await batch.job("no-such-pool"), await batch.pool(0)
        for start in range(0, 2000, 100):
            tasks = [{"id": f"t{no}", "commandLine": "true"} for no in range(start, start + 100)]
            assert (await send(url, "POST", f"/jobs/{job}/addtaskcollection", body={"value": tasks})).status == 200
        enabled = {"autoScaleFormula": "$TargetDedicatedNodes=0;"}
        assert (await send(url, "POST", f"/pools/{pool}/enableautoscale", body=enabled)).status == 200
        path, _, query = path.format(job=job, pool=pool).partition("?")
        options = dict([query.split("=", 1)]) if query else None
        body = {"autoScaleFormula": formula} if formula else None
        heavy = [asyncio.create_task(send(url, method, path, options, body=body)) for _ in range(3)]
        waits = []
        while not all(each.done() for each in heavy):
            before = time.monotonic()
            assert (await control(url, "GET", "/quotas")).status == 200
            waits.append(time.monotonic() - before)
        assert [each.result().status for each in heavy] == [status] * 3
        assert max(waits) < 1
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await process.wait() == 0
