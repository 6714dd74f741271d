"""Fixtures for tests of code that uses Azure Batch; pytest finds them where the package is installed.

The emulator is started once in a session, or once in each worker of pytest-xdist, and is empty for each test. Options
of its command line come from `batch_emulator_options` in pytest's configuration.
"""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from azure.batch import BatchClient

    from batch_emulator.testing import BatchEmulator


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("batch_emulator_options", "options of the Batch emulator's command line", type="args", default=[])


@pytest.fixture(scope="session")
def batch_emulator_session(pytestconfig: pytest.Config) -> "Iterator[BatchEmulator]":
    """The emulator of the session, with whatever the tests before have left in it."""
    from batch_emulator.testing import BatchEmulator  # noqa: PLC0415 - every start of pytest imports this module

    with BatchEmulator.start(*pytestconfig.getini("batch_emulator_options")) as emulator:
        yield emulator


@pytest.fixture
def batch_emulator(batch_emulator_session: "BatchEmulator") -> "BatchEmulator":
    """An emulator that is empty, as are its rules and quotas."""
    batch_emulator_session.reset()
    return batch_emulator_session


@pytest.fixture
def batch_endpoint(batch_emulator: "BatchEmulator") -> str:
    """The URL of the account, such as `http://127.0.0.1:40001`."""
    return batch_emulator.endpoint


@pytest.fixture
def batch_account(batch_emulator: "BatchEmulator") -> str:
    """The account's name."""
    return batch_emulator.account


@pytest.fixture
def batch_key(batch_emulator: "BatchEmulator") -> str:
    """The account's key, in base64."""
    return batch_emulator.key


@pytest.fixture
def batch_client(batch_emulator: "BatchEmulator") -> "Iterator[BatchClient]":
    """A client of azure-batch, which must be installed."""
    with batch_emulator.client() as client:
        yield client
