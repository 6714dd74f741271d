"""What azd's hooks do, with an `az` that notes what it is asked for."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Fails as often as the file `failures` says, with an error as Azure words it, and never prints a key but in an error.
AZ = """#!/bin/sh
echo "$*" >> calls
case "$*" in *"account show"*) echo /subscriptions/1/account;; esac
left=$(cat failures 2>/dev/null || echo 0)
if [ "$left" -gt 0 ]; then
  echo $((left - 1)) > failures
  echo "Webhook validation failed for https://app/runtime/webhooks/blobs?functionName=x&code=verysecret" >&2
  exit 1
fi
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
    (tmp_path / "az").write_text(AZ)
    (tmp_path / "az").chmod(0o755)

    def run(command, failures=0, **env):
        (tmp_path / "failures").write_text(str(failures))
        ran = subprocess.run(
            [sys.executable, str(ROOT / "infra/scripts/deploy.py"), command],
            cwd=tmp_path,
            env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "BATCHDROP_PAUSE_SECONDS": "0", **AZD, **env},
            capture_output=True,
            text=True,
            check=False,
        )
        calls = (tmp_path / "calls").read_text().splitlines() if (tmp_path / "calls").exists() else []
        return ran, calls

    return run


def test_the_subscription_is_tried_until_the_trigger_takes_events(hook):
    ran, calls = hook("subscription", failures=3)
    assert (ran.returncode, len(calls)) == (0, 4), ran.stderr
    assert ran.stdout.splitlines()[-1] == "Events about new input files go to the blob trigger."
    words = "functionAppName=func-x topicName=evgt-x inputContainer=input --subscription sub"
    assert re.search(rf"--resource-group rg-x .*subscription\.bicep .*{words}", calls[-1])


def test_a_subscription_that_cannot_be_made_ends_with_the_reason_and_without_the_key(hook):
    ran, calls = hook("subscription", failures=99)
    assert (ran.returncode, len(calls)) == (1, 20)
    assert "Webhook validation failed" in ran.stderr
    assert "code=..." in ran.stderr
    assert "verysecret" not in ran.stderr + ran.stdout
    assert "listKeys" not in "".join(calls)


@pytest.mark.parametrize("command", ["pool", "remove-pool"])
def test_an_account_of_its_own_needs_nothing_besides(hook, command):
    ran, calls = hook(command)
    assert (ran.returncode, ran.stdout, calls) == (0, "", [])


def test_an_account_that_exists_gets_the_pool_and_loses_it_again_and_nothing_else(hook):
    ran, (call,) = hook("pool", **EXISTING)
    assert ran.returncode == 0, ran.stderr
    assert "--resource-group theirs" in call
    assert "accountName=mine poolName=files-pool vmSize=STANDARD_D2S_V3 taskSlotsPerNode=1" in call
    ran, calls = hook("remove-pool", **EXISTING)
    assert ran.returncode == 0, ran.stderr
    assert [line for line in calls if " delete " in f" {line} "] == [
        "resource delete --ids /subscriptions/1/account/pools/files-pool --subscription sub",
        "role assignment delete --assignee principal --scope /subscriptions/1/account --subscription sub",
    ]


def test_what_is_missing_is_named(hook):
    ran, _ = hook("pool", BATCHDROP_BATCH_ENDPOINT=EXISTING["BATCHDROP_BATCH_ENDPOINT"])
    assert ran.returncode == 1
    assert ran.stderr.startswith("BATCHDROP_BATCH_GROUP is not in azd's environment: `azd provision` sets it, or")
