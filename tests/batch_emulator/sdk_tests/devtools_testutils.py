"""What Microsoft's tests ask of their recording tools, for a run that records nothing."""

import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

type Test = Callable[..., Awaitable[None]]


class AzureRecordedTestCase:
    #: The tests wait for what takes time only when they are live.
    is_live = True


class AzureMgmtRecordedTestCase(AzureRecordedTestCase):
    """The base class of the tests."""


class Preparer:
    """A decorator that gives a test one more thing, by keyword, and takes it away afterwards."""

    def prepare(self, given: Mapping[str, Any]) -> AbstractAsyncContextManager[dict[str, Any]]:
        """Make the thing; `given` is what the decorators outside this one have made."""
        raise NotImplementedError

    def __call__(self, test: Test) -> Test:
        @functools.wraps(test)
        async def prepared(case: object, **given: Any) -> None:
            async with self.prepare(given) as made:
                await test(case, **given, **made)

        return prepared


class _Constants(Preparer):
    def __init__(self, **values: Any) -> None:
        self._values = values

    @asynccontextmanager
    async def prepare(self, given: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
        yield self._values


class CachedResourceGroupPreparer(_Constants):
    """Resource groups are the management plane's: an emulator has none."""

    def __init__(self, **options: Any) -> None:
        super().__init__()


class StorageAccountPreparer(_Constants):
    """No test uses the storage account that it asks for."""

    def __init__(self, **options: Any) -> None:
        super().__init__()


class EnvironmentVariableLoader(_Constants):
    """Gives the values that the test itself names for its playback."""

    def __init__(self, directory: str, **values: str) -> None:
        super().__init__(**values)


def recorded_by_proxy(test: Test) -> Test:
    return test


def set_custom_default_matcher(**options: Any) -> None:
    """Nothing is recorded, so nothing is matched."""


def remove_batch_sanitizers(names: list[str]) -> None:
    """Nothing is recorded, so nothing is sanitized."""


@pytest.fixture(scope="session")
def test_proxy() -> None:
    """No proxy: requests go to the emulator."""
