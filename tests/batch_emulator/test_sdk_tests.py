"""The SDK's own 46 tests, unmodified and live against emulators; `sdk_tests/README.md` says how."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.batch_emulator.sdk_distribution import Unavailable, unpack_tests

pytestmark = pytest.mark.slow

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]

_OF_THE_SERVICE = (
    "compute_node_extensions",
    "compute_node_remote_desktop",
    "compute_node_user",
    "compute_nodes",
    "create_pool_with_blobfuse_mount",
    "create_pool_with_osdiskdiskencryption",
    "create_pool_with_osdisksecurityprofile",
    "create_pools",
    "exception_policy",
    "files",
    "job_schedules",
    "jobs",
    "network_configuration",
    "scale_pools",
    "tasks",
    "update_pools",
)
_OF_THE_SDK = (
    "test_async_wrapper.TestAyncWrapper.test_isAsyncIterable",
    "test_async_wrapper.TestAyncWrapper.test_isIterable",
    "test_async_wrapper.TestAyncWrapper.test_isNestedCoroutine",
    "test_async_wrapper.TestAyncWrapper.test_isSync",
    "test_async_wrapper.TestAyncWrapper.test_iscoroutine",
    "test_response_handlers.TestBatchErrorFormat.test_batch_error_format_with_values",
    "test_response_handlers.TestBatchErrorFormat.test_batch_error_format_without_values",
    "test_response_handlers.TestBatchErrorFormat.test_invalid_odata_error",
    "test_response_handlers.TestResponseHandler.test_client_authentication_error",
    "test_response_handlers.TestResponseHandler.test_header_takes_precedence_over_status_code",
    "test_response_handlers.TestResponseHandler.test_if_match_resource_not_found",
    "test_response_handlers.TestResponseHandler.test_if_match_takes_precedence_over_if_none_match",
    "test_response_handlers.TestResponseHandler.test_if_none_match_resource_not_found",
    "test_response_handlers.TestResponseHandler.test_resource_not_found_error",
)


def _all_tests():
    for name in _OF_THE_SERVICE:
        for variant in ("sync", "async"):
            test = f"test_batch.TestBatch.test_batch_{name}[{variant}]"
            yield pytest.param(test, id=test)
    for test in _OF_THE_SDK:
        yield pytest.param(test, id=test)


@pytest.fixture(scope="session")
def tests_of_the_sdk():
    try:
        return unpack_tests()
    except Unavailable as exc:
        pytest.fail(str(exc), pytrace=False)


@pytest.fixture(scope="session")
def failures(request, tests_of_the_sdk, tmp_path_factory):
    """What each test that is asked for said, empty where it passed: one run for all of them."""
    here = (item for item in request.session.items if item.originalname == "test_the_sdks_own_test_passes")
    asked = {item.callspec.params["test"] for item in here}
    report = tmp_path_factory.mktemp("sdk-tests") / "report.xml"
    outcome = _pytest(tests_of_the_sdk, f"--junitxml={report}", *map(_address, asked))
    assert report.exists(), outcome.stdout + outcome.stderr
    cases = ET.parse(report).iter("testcase")
    return {f"{case.get('classname')}.{case.get('name')}": _said(case) for case in cases}


def _pytest(folder, *arguments):
    command = [sys.executable, "-m", "pytest", "-c", _HERE / "sdk_tests/pytest.ini", "--rootdir", folder, "-q"]
    search = os.pathsep.join(map(str, (_HERE / "sdk_tests", folder, _ROOT)))
    environment = {**os.environ, "PYTHONPATH": search, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [*command, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=110, check=False
    )


def _address(test):
    module, group, name = test.split(".", 2)
    return f"{module}.py::{group}::{name}"


def _said(case):
    return "\n".join(part.text or "" for part in case if part.tag in {"failure", "error", "skipped"})


@pytest.mark.parametrize("test", list(_all_tests()))
def test_the_sdks_own_test_passes(test, failures):
    if said := failures[test]:
        pytest.fail(said, pytrace=False)


def test_every_test_of_the_sdk_is_run(tests_of_the_sdk):
    found = _pytest(tests_of_the_sdk, "--collect-only").stdout.splitlines()
    expected = {_address(parameters.id) for parameters in _all_tests()}
    assert len(expected) == 46
    assert expected == {line for line in found if "::" in line}
