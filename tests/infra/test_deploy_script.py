"""What azd's hooks do, with an `az` that notes what it is asked for."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WEBHOOK = "Webhook validation failed for https://app/runtime/webhooks/blobs?functionName=x&code=verysecret"
#: Fails as often as the file `failures` says, in the words of `error`, which may be Azure's. No pool exists but with
#: the identity in `pool`.
AZ = """#!/bin/sh
echo "$*" >> calls
left=$(cat failures)
if [ "$left" -gt 0 ]; then
  echo $((left - 1)) > failures
  cat error >&2
  exit 1
fi
case "$*" in
  *"batch account show"*) echo /subscriptions/1/account;;
  *"resource show"*) test -s pool || { echo "(ResourceNotFound) no pool" >&2; exit 3; }; cat pool;;
  *"role assignment list"*) echo /subscriptions/1/account/roles/2;;
esac
"""
AZD_NOTES = """#!/bin/sh
echo "$*" >> "$(dirname "$0")/notes"
"""
AZD = {
    "AZURE_FUNCTION_APP_URL": "http://127.0.0.1:9",
    "AZURE_FUNCTION_APP_NAME": "func-x",
    "AZURE_EVENT_TOPIC_NAME": "evgt-x",
    "AZURE_RESOURCE_GROUP": "rg-x",
    "AZURE_SUBSCRIPTION_ID": "sub",
    "INPUT_CONTAINER": "input",
    "POOL_IDENTITY_RESOURCE_ID": "/nodes",
    "AZURE_APP_PRINCIPAL_ID": "principal",
}
EXISTING = {"BATCHDROP_BATCH_ENDPOINT": "https://mine.westeurope.batch.azure.com", "BATCHDROP_BATCH_GROUP": "theirs"}


@pytest.fixture
def hook(tmp_path):
    for name, text in {"az": AZ, "azd": AZD_NOTES}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)

    def run(*words, failures=0, error=WEBHOOK, pool="", **env):
        for name, text in {"failures": str(failures), "error": error, "pool": pool, "calls": "", "notes": ""}.items():
            (tmp_path / name).write_text(text)
        ran = subprocess.run(
            [sys.executable, str(ROOT / "infra/scripts/deploy.py"), *words],
            cwd=tmp_path,  # of az; azd is run in the checkout
            env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "BATCHDROP_PAUSE_SECONDS": "0", **AZD, **env},
            capture_output=True,
            text=True,
            check=False,
        )
        return ran, (tmp_path / "calls").read_text().splitlines()

    return run


def notes_of(tmp_path):
    return (tmp_path / "notes").read_text().splitlines()


def test_the_subscription_is_tried_until_the_trigger_takes_events(hook):
    ran, calls = hook("subscription", failures=3)
    assert (ran.returncode, len(calls)) == (0, 4), ran.stderr
    assert "Events about new input files go to the blob trigger." in ran.stdout.splitlines()[-1]
    words = "functionAppName=func-x topicName=evgt-x inputContainer=input --subscription sub"
    assert re.search(rf"--resource-group rg-x .*subscription\.bicep .*{words}", calls[-1])


def test_every_attempt_says_why_it_failed_and_when_the_next_is(hook):
    ran, _ = hook("subscription", failures=2)
    tries = [line for line in ran.stdout.splitlines() if "Not yet" in line]
    said = "the next in 0 s. Not yet: Webhook validation failed for https://app/runtime/webhooks/blobs?functionName=x"
    assert tries == [f"Attempt {one} of 20; {said}&code=..." for one in (1, 2)]


def test_what_is_waited_for_is_said_and_the_wait_for_the_app_is_bounded(hook):
    ran, _ = hook("subscription")
    first, *waited = [line for line in ran.stdout.splitlines() if "subscription" not in line and "Events" not in line]
    assert first.startswith("Waiting for the app to start, which makes the blob trigger's key: http://127.0.0.1:9/api/")
    assert len(waited) == 10
    assert waited[0].startswith("Attempt 1 of 10: it does not answer yet (")


def test_a_subscription_that_cannot_be_made_ends_with_the_reason_and_without_the_key(hook):
    ran, calls = hook("subscription", failures=99)
    assert (ran.returncode, len(calls)) == (1, 20)
    assert "Webhook validation failed" in ran.stderr
    assert "code=..." in ran.stderr
    assert "verysecret" not in ran.stderr + ran.stdout
    assert "listKeys" not in "".join(calls)


@pytest.mark.parametrize(
    "error",
    [
        "ERROR: Please run 'az login' to setup account.",
        "ERROR: AADSTS700082: The refresh token has expired due to inactivity.",
        "ERROR: (AuthorizationFailed) The client does not have authorization to perform action",
        "ERROR: The subscription of 'sub' doesn't exist in cloud 'AzureCloud'.",
        "subscription.bicep(5,1) : Error BCP057: The name does not exist in the current context.",
    ],
)
def test_what_no_wait_can_cure_ends_at_once(hook, error):
    ran, calls = hook("subscription", failures=99, error=error)
    assert (ran.returncode, len(calls)) == (1, 1)
    assert error in ran.stderr
    assert "`azd hooks run postdeploy` makes another attempt." in ran.stderr


def test_without_az_it_ends_at_once(hook, tmp_path):
    ran, _ = hook("subscription", PATH="/nowhere")
    assert (ran.returncode, ran.stderr.strip()) == (
        1,
        "az is not on PATH: https://learn.microsoft.com/cli/azure/install-azure-cli",
    )


@pytest.mark.parametrize("words", [(), ("subscribe",), ("pool", "remove-pool")])
def test_another_command_is_refused(hook, words):
    ran, calls = hook(*words)
    assert (ran.returncode, calls) == (1, [])
    assert ran.stderr.startswith("deploy.py takes one word, pool or subscription or remove-pool, and got ")


@pytest.mark.parametrize("command", ["pool", "remove-pool"])
def test_an_account_of_its_own_needs_nothing_besides(hook, command):
    ran, calls = hook(command)
    assert (ran.returncode, ran.stdout, calls) == (0, "", [])


MADE = {"MADE_POOL_ID": "/subscriptions/1/account/pools/files-pool", "MADE_POOL_FOR_PRINCIPAL_ID": "principal"}


def test_an_account_that_exists_gets_the_pool_and_azd_notes_it_first(hook, tmp_path):
    ran, calls = hook("pool", **EXISTING)
    assert ran.returncode == 0, ran.stderr
    assert "--resource-group theirs" in calls[-1]
    assert "accountName=mine poolName=files-pool vmSize=STANDARD_D2S_V3 taskSlotsPerNode=1" in calls[-1]
    assert notes_of(tmp_path) == [f"env set {name} {value}" for name, value in MADE.items()]


def test_what_was_noted_goes_when_the_outputs_are_gone_and_whatever_the_variables_say_by_then(hook, tmp_path):
    gone = dict.fromkeys(("POOL_IDENTITY_RESOURCE_ID", "AZURE_APP_PRINCIPAL_ID", "AZURE_FUNCTION_APP_URL"), "")
    ran, calls = hook("remove-pool", **MADE, **gone)
    assert ran.returncode == 0, ran.stderr
    assert [line for line in calls if " delete " in f" {line} "] == [
        "resource delete --ids /subscriptions/1/account/pools/files-pool --subscription sub",
        "role assignment delete --ids /subscriptions/1/account/roles/2 --subscription sub",
    ]
    assert "--scope /subscriptions/1/account --query [?principalId=='principal'].id" in calls[1]
    assert notes_of(tmp_path) == ["env set MADE_POOL_ID ", "env set MADE_POOL_FOR_PRINCIPAL_ID "]


def test_an_account_that_is_gone_does_not_keep_azd_down_from_ending_well(hook):
    ran, calls = hook("remove-pool", failures=99, error="(ResourceGroupNotFound) theirs", **EXISTING, **MADE)
    assert (ran.returncode, len(calls)) == (0, 2), ran.stderr


@pytest.mark.parametrize("endpoint", [EXISTING["BATCHDROP_BATCH_ENDPOINT"], "mine.westeurope.batch.azure.com"])
def test_where_provisioning_had_failed_there_is_nothing_to_remove(hook, endpoint):
    ran, calls = hook("remove-pool", BATCHDROP_BATCH_ENDPOINT=endpoint)
    assert (ran.returncode, calls) == (0, []), ran.stderr
    assert ran.stdout == f"No pool was made from here in {endpoint}: there is nothing to remove in it.\n"


def test_what_could_not_be_removed_stays_noted(hook, tmp_path):
    ran, _ = hook("remove-pool", failures=99, error="(AuthorizationFailed)", **MADE)
    assert (ran.returncode, notes_of(tmp_path)) == (1, [])
    assert "`azd hooks run postdown` makes another attempt." in ran.stderr


@pytest.mark.parametrize("identity", ["null", '{"userAssignedIdentities": {"/others": {}}}'])
def test_a_pool_of_somebody_else_is_neither_taken_nor_removed(hook, tmp_path, identity):
    ran, calls = hook("pool", pool=identity, **EXISTING)
    assert (ran.returncode, notes_of(tmp_path)) == (1, [])
    assert "/subscriptions/1/account/pools/files-pool exists, and is not of this environment" in ran.stderr
    assert not any("deployment" in line for line in calls)


def test_a_pool_in_an_account_that_was_chosen_before_is_not_forgotten_in_silence(hook):
    ran, _ = hook("pool", MADE_POOL_ID="/other/pools/files-pool", **EXISTING)
    first = ran.stdout.splitlines()[0]
    assert first.startswith("/other/pools/files-pool was made before, and stays: `az resource delete --ids /other/")


def test_a_pool_of_this_environment_is_taken_again(hook):
    assert hook("pool", pool='{"userAssignedIdentities": {"/Nodes": {}}}', **EXISTING)[0].returncode == 0


@pytest.mark.parametrize("endpoint", ["mine.westeurope.batch.azure.com", "http://mine.westeurope.batch.azure.com"])
def test_an_endpoint_that_is_no_address_is_said_to_be_wrong(hook, endpoint):
    ran, calls = hook("pool", **(EXISTING | {"BATCHDROP_BATCH_ENDPOINT": endpoint}))
    assert (ran.returncode, calls) == (1, [])
    assert f"{endpoint!r}: it must be https://ACCOUNT.REGION.batch.azure.com" in ran.stderr


def test_what_is_missing_is_named(hook):
    ran, _ = hook("pool", BATCHDROP_BATCH_ENDPOINT=EXISTING["BATCHDROP_BATCH_ENDPOINT"])
    assert ran.returncode == 1
    assert ran.stderr.startswith("BATCHDROP_BATCH_GROUP is not in azd's environment: `azd provision` sets it, or")
