"""What azd's hooks do beside main.bicep, with the az command line and the variables of azd's environment.

    pool            after provisioning: the pool and the app's role in a Batch account that exists already
    subscription    after the deployment: events about input files go to the blob trigger, which exists from then on
    remove-pool     before `azd down`: what `pool` made, in a resource group that azd must not delete

Nothing here has a key in its hands: Azure Resource Manager puts the trigger's key into the subscription.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

INFRA = Path(__file__).resolve().parents[1]
POOL = "files-pool"
#: A new app takes its time: first its package, then its host, then the key of the blob trigger.
ATTEMPTS = 20
PAUSE_SECONDS = float(os.environ.get("BATCHDROP_PAUSE_SECONDS", "30"))


def main(command: str) -> None:
    """Run one of the commands; raises SystemExit with a sentence where it cannot be done."""
    if command == "subscription":
        subscribe()
    elif not os.environ.get("BATCHDROP_BATCH_ENDPOINT"):
        return  # the account is of main.bicep, and the pool with it
    elif command == "pool":
        make_pool()
    elif command == "remove-pool":
        remove_pool()


def make_pool() -> None:
    parameters = {
        "accountName": account(),
        "poolName": POOL,
        "vmSize": os.environ.get("BATCHDROP_VM_SIZE") or "STANDARD_D2S_V3",
        "taskSlotsPerNode": os.environ.get("BATCHDROP_TASK_SLOTS") or "1",
        "nodesIdentityId": needed("POOL_IDENTITY_RESOURCE_ID"),
        "appPrincipalId": needed("AZURE_APP_PRINCIPAL_ID"),
    }
    if problem := deploy("pool.bicep", needed("BATCHDROP_BATCH_GROUP"), parameters):
        raise SystemExit(f"The pool could not be made in Batch account {account()}:\n{problem}")
    print(f"Pool {POOL} is in Batch account {account()}.")


def remove_pool() -> None:
    group = needed("BATCHDROP_BATCH_GROUP")
    found = az("batch", "account", "show", "--name", account(), "--resource-group", group, "--query", "id", "-o", "tsv")
    account_id = found.stdout.strip()
    if found.returncode or not account_id:
        raise SystemExit(f"Batch account {account()} was not found:\n{redacted(found.stderr)}")
    principal = needed("AZURE_APP_PRINCIPAL_ID")
    removals = (
        ("resource", "delete", "--ids", f"{account_id}/pools/{POOL}"),
        ("role", "assignment", "delete", "--assignee", principal, "--scope", account_id),
    )
    for removal in removals:
        # What is gone already must not keep `azd down` from going on.
        if (done := az(*removal)).returncode and "NotFound" not in done.stderr:
            raise SystemExit(f"az {' '.join(removal)} failed:\n{redacted(done.stderr)}")
    print(f"Pool {POOL} and the app's role are gone from Batch account {account()}.")


def subscribe() -> None:
    wake(needed("AZURE_FUNCTION_APP_URL"))
    parameters = {
        "functionAppName": needed("AZURE_FUNCTION_APP_NAME"),
        "topicName": needed("AZURE_EVENT_TOPIC_NAME"),
        "inputContainer": needed("INPUT_CONTAINER"),
    }
    problem = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE_SECONDS)
        if not (problem := deploy("subscription.bicep", needed("AZURE_RESOURCE_GROUP"), parameters)):
            print("Events about new input files go to the blob trigger.")
            return
        print(f"The blob trigger does not take events yet ({attempt + 1} of {ATTEMPTS} attempts).")
    raise SystemExit(f"The event subscription could not be made; files are found by the sweep alone:\n{problem}")


def wake(url: str) -> None:
    """Have the app started: its host makes the trigger's key. That it does not answer is shown by what comes next."""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE_SECONDS)
        try:
            with urlopen(f"{url}/api/dashboard", timeout=60):  # noqa: S310 - the address is Bicep's
                return
        except (HTTPError, URLError, OSError):
            continue


def deploy(template: str, group: str, parameters: dict[str, str]) -> str:
    """Deploy a template; returns what went wrong, without keys, or nothing."""
    said = [f"{name}={value}" for name, value in parameters.items()]
    command = ("deployment", "group", "create", "--resource-group", group, "--name", f"batchdrop-{template[:-6]}")
    done = az(*command, "--template-file", str(INFRA / template), "--output", "none", "--parameters", *said)
    return redacted(done.stderr) or f"az ended with {done.returncode}" if done.returncode else ""


def az(*arguments: str) -> "subprocess.CompletedProcess[str]":
    program = shutil.which("az")
    if program is None:
        raise SystemExit("The az command line is missing: https://learn.microsoft.com/cli/azure/install-azure-cli")
    subscription = os.environ.get("AZURE_SUBSCRIPTION_ID", "")
    chosen = ("--subscription", subscription) if subscription else ()
    return subprocess.run([program, *arguments, *chosen], check=False, capture_output=True, text=True)


def account() -> str:
    """Return the name of the Batch account that exists: its endpoint is https://ACCOUNT.REGION.batch.azure.com."""
    return (urlsplit(needed("BATCHDROP_BATCH_ENDPOINT")).hostname or "").partition(".")[0]


def needed(name: str) -> str:
    if value := os.environ.get(name, ""):
        return value
    raise SystemExit(f"{name} is not in azd's environment: `azd provision` sets it, or `azd env set {name} VALUE`")


def redacted(text: str) -> str:
    return re.sub(r"(code=)[^&\s\"']+", r"\1...", text).strip()


if __name__ == "__main__":
    main(sys.argv[1])
