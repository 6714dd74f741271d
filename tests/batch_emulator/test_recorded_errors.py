"""Refusals as in Microsoft's recordings of the real service, to the letter; `recorded` says which."""

import pytest

from tests.batch_emulator.conftest import new_id
from tests.batch_emulator.recorded import UBUNTU
from tests.batch_emulator.signed import send

CONTAINER = "Microsoft.Azure.Batch.Protocol.Entities.Container.errors"
KEY = {
    "identityReference": {"resourceId": "/subscriptions/s/resourceGroups/g/identities/i"},
    "keyUrl": "https://fake-vault.vault.azure.net/keys/k/1",
}
INVALID = "The value provided for one of the properties in the request body is invalid."


def encrypted():
    machine = {**UBUNTU, "diskEncryptionConfiguration": {"customerManagedKey": KEY}}
    return {"id": new_id("recorded"), "vmSize": "standard_d1_v2", "virtualMachineConfiguration": machine}


@pytest.fixture
def refusals(job):
    """Requests by the recordings that refuse them, each with status, code, text and values."""
    return {
        "test_batch_exception_policy (pool)": (
            ("GET", "/pools/non-existent-pool-id", None, None),
            (404, "PoolNotFound", "The specified pool does not exist.", None),
        ),
        "test_batch_exception_policy (job)": (
            ("POST", "/jobs", None, {"id": job, "poolInfo": {"poolId": "none"}}),
            (409, "JobExists", "The specified job already exists.", None),
        ),
        "should_create_a_task_with_exit_conditions": (
            ("GET", "/jobs/JobWithAutoComplete", None, None),
            (404, "JobNotFound", "The specified job does not exist.", None),
        ),
        "should_delete_a_task": (
            ("GET", f"/jobs/{job}/tasks/task1", None, None),
            (404, "TaskNotFound", "The specified task does not exist.", None),
        ),
        "should_delete_a_job_schedule": (
            ("GET", "/jobschedules/jssdkJobSchedule", None, None),
            (404, "JobScheduleNotFound", "The specified job schedule does not exist.", None),
        ),
        "should_fail_to_list_pools_with_invalid_max": (
            ("GET", "/pools", {"maxresults": "-5"}, None),
            (
                400,
                "InvalidQueryParameterValue",
                "Value for one of the query parameters specified in the request URI is invalid.",
                [
                    {"key": "QueryParameterName", "value": "maxresults"},
                    {"key": "QueryParameterValue", "value": "-5"},
                    {"key": "Reason", "value": "MaxResults cannot be less than 1"},
                ],
            ),
        ),
        "should_fail_to_get_job_preprelease_status": (
            ("GET", f"/jobs/{job}/jobpreparationandreleasetaskstatus", None, None),
            (
                409,
                "JobPreparationTaskOrReleaseTaskNotSpecified",
                "The specified job does not have either job preparation task or job release task.",
                None,
            ),
        ),
        "should_fail_to_create_a_cmk_disk_encrypted_pool": (
            ("POST", "/pools", None, encrypted()),
            (
                400,
                "InvalidPropertyValue",
                INVALID,
                [
                    {"key": "PropertyName", "value": "identity"},
                    # There is nothing to show, and the service leaves it out.
                    {"key": "PropertyValue"},
                    {"key": "Reason", "value": "Pool Identity is required when using CustomerManagedKey."},
                ],
            ),
        ),
    }


async def test_refusals_are_those_recorded(url, refusals):
    for recording, ((method, path, query, body), (status, code, text, values)) in refusals.items():
        answer = await send(url, method, path, query, body)
        assert (answer.status, answer.body["code"]) == (status, code), recording
        assert answer.body["odata.metadata"] == f"{url}/$metadata#{CONTAINER}/@Element", recording
        assert answer.body["message"]["lang"] == "en-US", recording
        first, request, time = answer.body["message"]["value"].split("\n")
        assert first == text, recording
        assert request == f"RequestId:{answer.headers['request-id']}", recording
        assert time.startswith("Time:2"), recording
        assert answer.body.get("values") == values, recording
