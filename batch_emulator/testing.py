"""An emulator that a test starts, and what goes wrong at its command.

    from batch_emulator.testing import BatchEmulator

    with BatchEmulator.start() as emulator:
        client = emulator.client()
        with emulator.fail("create_task", status=503, times=2) as rule:
            ...
        assert rule.struck == 2

The emulator is a process of its own. It ends with the block, and with the program that started it, however that ends.
Everything here is synchronous and takes milliseconds, so that it can be used in tests of asynchronous code, too; the
emulator's own interface that it speaks is described in the README.
"""

import argparse
import hmac
import importlib
import json
import os
import re
import ssl
import subprocess
import sys
import tempfile
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Literal, Self, TypedDict, Unpack
from urllib.parse import parse_qsl, quote, urlsplit

from batch_emulator.settings import DEFAULT_ACCOUNT, DEFAULT_KEY, read_key

if TYPE_CHECKING:
    from azure.batch import BatchClient
    from azure.batch.aio import BatchClient as AsyncBatchClient
    from azure.core.credentials import AzureNamedKeyCredential

#: The busiest node of a pool.
BUSIEST: Final = "any"

_READY: Final = re.compile(r"ready at (?P<endpoint>\S+) \(account (?P<account>\S+), key ")
#: Runs the package that this module belongs to. `-m` would look for it, and for everything that it imports, in the
#: working directory first: a `queue.py` of the tests would be the emulator's.
_PROGRAM: Final = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); import batch_emulator; del sys.path[0]; "
    "from batch_emulator.__main__ import main; sys.exit(main())"
)
#: The emulators' standard inputs: they end once nobody holds them open.
_HELD: Final[set[IO[bytes]]] = set()
_START_SECONDS: Final = 30.0
_END_SECONDS: Final = 20.0
_REQUEST_SECONDS: Final = 60.0


class EmulatorError(Exception):
    """The emulator did not start, or did not do what it was asked for; the text says why."""


class Which(TypedDict, total=False):
    """Which requests a rule strikes, apart from their operation, and how often.

    `path` is how the path begins. `when` is `before` or, so that the request is executed and its answer lost, `after`.
    So many pass first (`skip`), so many are struck at most (`times`), the others by chance (`probability`, `seed`).
    """

    method: str
    path: str
    when: Literal["before", "after"]
    skip: int
    times: int
    probability: float
    seed: int


@dataclass(frozen=True, kw_only=True)
class BatchEmulator:
    """A running emulator: the URL of its account, the account's name, and its key, in base64.

    One that runs already, in a container say, is `BatchEmulator(endpoint="http://127.0.0.1:10003")`.
    """

    endpoint: str
    account: str = DEFAULT_ACCOUNT
    key: str = field(default=DEFAULT_KEY, repr=False)

    @classmethod
    @contextmanager
    def start(cls, *options: str) -> Iterator[Self]:
        """Start an emulator on any free port, which keeps nothing, and end it with the block.

        `options` are those of the command line, such as `--strict-images`; the environment's variables count, too, such
        as `BATCH_EMULATOR_STORAGE`. Raises EmulatorError with what the emulator said if it does not start.
        """
        command = [sys.executable, "-P", "-c", _PROGRAM, str(Path(__file__).parents[1])]
        command += ["--port", "0", "--in-memory", "--until-stdin-closes", *options]
        with (
            tempfile.TemporaryFile() as errors,
            subprocess.Popen(  # noqa: S603 - this very Python, and its caller's options
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                # Ctrl-C at a terminal is for the program that ends the emulator, once it has no more use for it.
                process_group=0,
            ) as process,
        ):
            held = {process.stdin} if process.stdin else set()
            _HELD.update(held)
            try:
                yield cls(**_ready(process, errors), key=key_of(options))
            finally:
                _HELD.difference_update(held)
                _end(process)

    def client(self, **options: Any) -> "BatchClient":  # noqa: ANN401 - the SDK's own
        """Return a client of azure-batch; `options` are the SDK's. Raises EmulatorError where it is not installed.

        Over HTTP it takes no proxy from the environment, which would not find the emulator.
        """
        return _sdk("azure.batch").BatchClient(self.endpoint, self.credential(), **self._direct(options))  # type: ignore[no-any-return]

    def async_client(self, **options: Any) -> "AsyncBatchClient":  # noqa: ANN401 - the SDK's own
        """Return an asynchronous client, which is to be closed by `async with`; as `client` otherwise."""
        return _sdk("azure.batch.aio").BatchClient(self.endpoint, self.credential(), **self._direct(options))  # type: ignore[no-any-return]

    def credential(self) -> "AzureNamedKeyCredential":
        """Return the account's name and key for a client of azure-batch."""
        return _sdk("azure.core.credentials").AzureNamedKeyCredential(self.account, self.key)  # type: ignore[no-any-return]

    def _direct(self, options: Mapping[str, object]) -> dict[str, object]:
        # Over HTTPS the environment may also name the certificate that is trusted.
        return {"use_env_settings": urlsplit(self.endpoint).scheme == "https", **options}

    def reset(self) -> None:
        """End every process and forget everything: pools, jobs, tasks, files, rules and quotas."""
        self.ask("POST", "/reset")

    def state(self, rows: int = 1000) -> dict[str, Any]:
        """Return what the store holds: so many rows of each table, the newest first, without secrets."""
        state: dict[str, Any] = self.ask("GET", f"/state?rows={rows}")
        return state

    def fail(
        self,
        operation: str | None = None,
        *,
        status: int | None = None,
        code: str | None = None,
        message: str | None = None,
        retry_after: int | None = None,
        single_tasks: bool = False,
        **which: Unpack[Which],
    ) -> "Rule":
        """Have requests answered with an error, from now until the rule is removed.

        Requests are meant by the `operation` (see the README; `*` is all), by `method` and by how their `path` begins.
        The error has a `status`, or a `code` of the service's that implies it, and asks to come again after
        `retry_after` seconds. `single_tasks`: in a collection, tasks fail and not the request.
        """
        answer = _given(status=status, code=code, message=message, retryAfter=retry_after)
        return self._add(operation, which, {"items" if single_tasks else "answer": answer})

    def cut(self, operation: str | None = None, **which: Unpack[Which]) -> "Rule":
        """Have connections closed without an answer; requests are meant as in `fail`."""
        return self._add(operation, which, {"cut": True})

    def delay(self, seconds: float, operation: str | None = None, **which: Unpack[Which]) -> "Rule":
        """Have answers come later; requests are meant as in `fail`."""
        return self._add(operation, which, {"delay": seconds})

    def set_quotas(
        self,
        *,
        active_jobs_and_schedules: int | None = None,
        pools: int | None = None,
        dedicated_cores: int | None = None,
        low_priority_cores: int | None = None,
        tasks_per_second: float | None = None,
    ) -> None:
        """Limit what the account may have: all limits are replaced, and what is not named has none."""
        limits = _given(
            activeJobsAndSchedules=active_jobs_and_schedules,
            pools=pools,
            dedicatedCores=dedicated_cores,
            lowPriorityCores=low_priority_cores,
            tasksPerSecond=tasks_per_second,
        )
        self.ask("PUT", "/quotas", limits)

    def lose_node(self, pool_id: str, node_id: str = BUSIEST, *, replace: bool = False) -> None:
        """Let a node vanish with its files; `replace`: a new one boots. Its tasks go back into the queue."""
        self._strike_node(pool_id, node_id, "lose", replace=replace)

    def preempt_node(self, pool_id: str, node_id: str = BUSIEST) -> None:
        """Let a Spot node be preempted."""
        self._strike_node(pool_id, node_id, "preempt")

    def make_node_unusable(
        self, pool_id: str, node_id: str = BUSIEST, *, code: str | None = None, message: str | None = None
    ) -> None:
        """Break a node; `code` and `message` are the error that it shows."""
        self._strike_node(pool_id, node_id, "makeunusable", **_given(code=code, message=message))

    def make_node_unknown(self, pool_id: str, node_id: str = BUSIEST) -> None:
        """Let the service be out of contact with a node."""
        self._strike_node(pool_id, node_id, "makeunknown")

    def fail_start_task(self, pool_id: str, node_id: str = BUSIEST, *, exit_code: int = 1) -> None:
        """Let a node's start task have failed."""
        self._strike_node(pool_id, node_id, "failstarttask", exitCode=exit_code)

    def recover_node(self, pool_id: str, node_id: str) -> None:
        """Bring a node back that was preempted or broken by one of these calls."""
        self._strike_node(pool_id, node_id, "recover")

    def fail_next_start_tasks(self, pool_id: str, *, count: int = 1) -> None:
        """Let the next runs of start tasks in a pool fail."""
        self.ask("POST", f"/pools/{_segment(pool_id)}/failnextstarttasks", {"count": count})

    def expire_files(self, job_id: str, task_id: str) -> None:
        """Remove the files of a completed task, as at the end of their retention."""
        self.ask("POST", f"/jobs/{_segment(job_id)}/tasks/{_segment(task_id)}/expirefiles")

    def _strike_node(self, pool_id: str, node_id: str, action: str, **options: object) -> None:
        self.ask("POST", f"/pools/{_segment(pool_id)}/nodes/{_segment(node_id)}/{action}", options)

    def _add(self, operation: str | None, which: Which, what: Mapping[str, object]) -> "Rule":
        added = self.ask("POST", "/faults", {**_given(operation=operation), **which, **what})["faults"]
        return Rule(self, added[0])

    def ask(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - any JSON
        """Send a request to the emulator's own interface and return the JSON of its answer, None if there is none.

        Raises EmulatorError with what it refuses, and where it does not answer.
        """
        target, content = f"/_emulator{path}", b"" if body is None else json.dumps(body).encode()
        connection = _connect(self.endpoint)
        try:
            connection.request(method, target, content or None, self._signed(method, target, content))
            response = connection.getresponse()
            text = response.read().decode()
        except (OSError, HTTPException) as exc:
            raise EmulatorError(f"{method} {target}: no answer from {self.endpoint}: {exc}") from exc
        finally:
            connection.close()
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise EmulatorError(f"{method} /_emulator{path}: {response.status}: {_refusal(text)}")
        return json.loads(text) if text else None

    def _signed(self, method: str, target: str, content: bytes) -> dict[str, str]:
        """Return the headers of a signed request: only from the emulator's own machine it would do without.

        https://learn.microsoft.com/rest/api/batchservice/authenticate-requests-to-the-azure-batch-service
        """
        date, (path, _, query) = formatdate(usegmt=True), target.partition("?")
        length = "" if method == "GET" else str(len(content))
        # The length is the third of eleven headers; none of the others is sent.
        lines = [method, "", "", length, *[""] * 8, f"ocp-date:{date}", f"/{self.account}{path}"]
        lines += [f"{name}:{value}" for name, value in sorted(parse_qsl(query))]
        digest = hmac.digest(b64decode(self.key), "\n".join(lines).encode(), "sha256")
        signature = f"SharedKey {self.account}:{b64encode(digest).decode()}"
        return {"ocp-date": date, "Authorization": signature} | ({"Content-Length": length} if length else {})


class Rule:
    """A fault rule in force; as a context manager it is removed at the end of the block."""

    def __init__(self, emulator: BatchEmulator, rule: dict[str, Any]) -> None:
        self._emulator = emulator
        self._seen = rule

    @property
    def matched(self) -> int:
        """How many requests, or single tasks, it was about."""
        return int(self._now()["matched"])

    @property
    def struck(self) -> int:
        """How many of them it has struck."""
        return int(self._now()["struck"])

    def remove(self) -> None:
        """Take it out of force; what it has counted is still known."""
        self._now()
        self._emulator.ask("DELETE", f"/faults/{_segment(self._seen['id'])}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, exception: type[BaseException] | None, *_: object) -> None:
        # The exception that ended the block matters more than an emulator that has ended with it.
        with suppress(EmulatorError) if exception else nullcontext():
            if self._is_in_force():
                self.remove()

    def _now(self) -> dict[str, Any]:
        self._is_in_force()
        return self._seen

    def _is_in_force(self) -> bool:
        found = [rule for rule in self._emulator.ask("GET", "/faults")["faults"] if rule["id"] == self._seen["id"]]
        self._seen = next(iter(found), self._seen)
        return bool(found)


def _ready(process: subprocess.Popen[bytes], errors: IO[bytes]) -> dict[str, str]:
    """Wait until the emulator says where it is; raises EmulatorError with what else it said."""
    timer = threading.Timer(_START_SECONDS, process.kill)
    timer.start()
    try:
        line = process.stdout.readline().decode(errors="replace") if process.stdout else ""
    finally:
        timer.cancel()
        timer.join()
    found = _READY.search(line)
    if found is None:
        process.kill()
        process.wait()
        errors.seek(0)
        said = errors.read().decode(errors="replace").strip() or line.strip()
        raise EmulatorError(said or f"The emulator did not start in {_START_SECONDS:g} seconds, or was killed")
    return found.groupdict()


def key_of(options: Sequence[str]) -> str:
    """Return the key of an emulator that is started with these options: one of the user's own is not printed.

    It is in base64, from the file that is named, or else from the environment. Raises ValueError.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--account-key-file", type=Path)
    given, _ = parser.parse_known_args(options)
    return read_key(given.account_key_file, os.environ)


def _let_go() -> None:
    """Leave what a forked process has inherited to its parent, which may be killed before it."""
    for held in _HELD:
        held.close()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_let_go)


def _end(process: subprocess.Popen[bytes]) -> None:
    # Not by closing its standard input alone: a process that was forked meanwhile may hold that open.
    process.terminate()
    if process.stdin:
        process.stdin.close()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


def _connect(endpoint: str) -> HTTPConnection:
    address = urlsplit(endpoint)
    host, port = address.hostname or "", address.port
    if address.scheme == "http":
        return HTTPConnection(host, port, timeout=_REQUEST_SECONDS)
    # Its certificate is of its caller's making, and it is this machine that is asked.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return HTTPSConnection(host, port, timeout=_REQUEST_SECONDS, context=context)


def _sdk(module: str) -> Any:  # noqa: ANN401 - a module
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as exc:
        raise EmulatorError("A client needs azure-batch: pip install 'azure-batch-emulator[client]'") from exc


def _refusal(text: str) -> str:
    """Return what an answer complains of: of the emulator's own interface, or in the service's shape."""
    try:
        answer = json.loads(text)
    except ValueError:
        return text
    return "; ".join(answer["problems"]) if "problems" in answer else answer["message"]["value"].partition("\n")[0]


def _given(**values: object) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


def _segment(name: str) -> str:
    return quote(name, safe="")
