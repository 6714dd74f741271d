"""Real Azurite and the real emulator, started once on free ports; every test gets names of its own in them."""

import gc
import itertools
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from functools import partialmethod
from pathlib import Path, PurePath

import hypothesis
import pytest
from azure.core.pipeline.transport import AioHttpTransport
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from local import azurite, emulator

# The machines are shared: how long an example takes says nothing.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

#: Settings that a developer may have set for a real account: no test may ever see them.
_OWN_SETTINGS = (
    *("AZURE", "BATCH_", "DATA_STORAGE", "POOL_", "TASK_", "INPUT_", "OUTPUT_", "TABLE_", "JOB_", "ROUTES_"),
    *("COLLECT_", "SWEEP_", "SCALE_", "TIDY_", "EXPLAIN_", "EVENTS_", "RECORD_"),
)

#: Begun first, so that no worker of `make test` is left with one of them when the others have nothing more to do.
_LONGEST = (
    "test_chaos.py",
    "test_every_cut.py",
    "page",
    "test_examples.py",
    "test_openapi.py",
    "test_sdk_tests.py",
    "test_output_copier.py",
    "test_foreign_answers.py",
    "test_stack.py",
    "test_operators.py",
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: tests wait for other processes for a quarter of their time."""
    return (os.process_cpu_count() or 1) + 1


def pytest_collection_finish() -> None:
    """Look for cyclic garbage less often, and not among what the SDKs and the tests consist of: a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


class _Distribution(LoadFileScheduling):
    """A file is tested by one worker, as with `--dist loadfile`; those of one browser and one stack are, too."""

    def _split_scope(self, nodeid: str) -> str:
        file = PurePath(super()._split_scope(nodeid))
        return str(file.parent if file.parent.name == "page" else file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _Distribution | None:
    return _Distribution(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rank = {name: number for number, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: min(rank.get(part, len(rank)) for part in (item.path.parent.name, item.path.name)))


@pytest.fixture(scope="session", autouse=True)
def _clean_environment() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(_OWN_SETTINGS)]:
            patch.delenv(name)
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_proxies() -> Iterator[None]:
    """No proxy is needed for 127.0.0.1; looking for one, and into .netrc, takes two threads at each call."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AioHttpTransport, "__init__", partialmethod(AioHttpTransport.__init__, use_env_settings=False))
        yield


@pytest.fixture(scope="session", autouse=True)
def _own_temporary_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What a killed process leaves behind goes with pytest's own folders."""
    with pytest.MonkeyPatch.context() as patch:
        temporary = str(tmp_path_factory.mktemp("temporary"))
        patch.setenv("TMPDIR", temporary)
        patch.setattr(tempfile, "tempdir", temporary)
        yield


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="session")
async def storage(logs: Path) -> AsyncIterator[azurite.Azurite]:
    async with azurite.running(log=logs / "azurite.log") as running:
        yield running


@pytest.fixture(scope="session")
def batch_location(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the emulator keeps its state and the nodes' files."""
    return tmp_path_factory.mktemp("batch")


@pytest.fixture(scope="session")
async def batch_endpoint(logs: Path, batch_location: Path) -> AsyncIterator[str]:
    async with emulator.running(
        log=logs / "emulator.log", location=batch_location, module="tests.prompt_emulator"
    ) as running:
        yield running.endpoint


_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def no_routes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file without routes: the checkout may have routes of its developer's."""
    file = tmp_path_factory.mktemp("routes") / "routes.toml"
    file.touch()
    return file


@pytest.fixture
def environment(storage: azurite.Azurite, no_routes: Path) -> dict[str, str]:
    """App settings with containers and a table of their own; Batch is out of reach unless a test sets it."""
    number = next(_numbers)
    return {
        "AzureWebJobsStorage": storage.connection_string,
        "DATA_STORAGE": storage.connection_string,
        "INPUT_CONTAINER": f"input-{number}",
        "OUTPUT_CONTAINER": f"output-{number}",
        "TABLE_NAME": f"tasks{number}",
        "BATCH_ENDPOINT": "http://127.0.0.1:9",
        "BATCH_ACCOUNT_NAME": emulator.DEFAULT_ACCOUNT.name,
        "BATCH_ACCOUNT_KEY": emulator.DEFAULT_ACCOUNT.key,
        "BATCH_POOL_ID": f"pool-{number}",
        "ROUTES_FILE": str(no_routes),
    }
