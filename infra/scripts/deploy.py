"""What azd's hooks do beside main.bicep, with the az command line and the variables of azd's environment.

    pool            after provisioning: the pool and the app's role in a Batch account that exists already
    subscription    after the deployment: events about input files go to the blob trigger, which exists from then on
    remove-pool     after `azd down`: what `pool` made goes, in a resource group that azd must not delete

Nothing here has a key in its hands: Azure Resource Manager puts the trigger's key into the subscription.
"""

import json
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
#: What `pool` notes in azd's environment for `remove-pool`: azd takes the outputs out of it when all is deleted
#: (Manager.Destroy in cli/azd/pkg/infra/provisioning/manager.go of https://github.com/Azure/azure-dev), and a person
#: may have changed the variables by then.
MADE_POOL = "MADE_POOL_ID"
MADE_FOR = "MADE_POOL_FOR_PRINCIPAL_ID"
#: A new app takes its time: first its package, then its host, then the key of the blob trigger.
ATTEMPTS = 20
#: How often the app is asked to start: what does not answer then may still have its key.
WAKE_ATTEMPTS = 10
PAUSE_SECONDS = float(os.environ.get("BATCHDROP_PAUSE_SECONDS", "30"))
#: What az says where no further attempt can help: who signed in, what they may do, what the template says.
FINAL = re.compile(
    r"az login|AADSTS\d+|AuthorizationFailed|InvalidAuthenticationToken|SubscriptionNotFound|doesn't exist in cloud"
    r"|ResourceGroupNotFound|RequestDisallowedByPolicy|ReadOnlyDisabledSubscription|ScopeLocked|Error BCP\d+"
)
#: How az ends when it does not understand its own command.
USAGE = 2


def main(words: "list[str]") -> None:
    """Run one of the commands; raises SystemExit with a sentence where it cannot be done."""
    commands = {"pool": make_pool, "subscription": subscribe, "remove-pool": remove_pool}
    if len(words) != 1 or words[0] not in commands:
        raise SystemExit(f"deploy.py takes one word, {' or '.join(commands)}, and got {' '.join(words) or 'none'}")
    commands[words[0]]()


def make_pool() -> None:
    if not os.environ.get("BATCHDROP_BATCH_ENDPOINT"):
        return  # the account is of main.bicep, and the pool with it
    account, group = account_name(), needed("BATCHDROP_BATCH_GROUP")
    nodes, principal = needed("POOL_IDENTITY_RESOURCE_ID"), needed("AZURE_APP_PRINCIPAL_ID")
    found = az("batch", "account", "show", "--name", account, "--resource-group", group, "--query", "id", "-o", "tsv")
    if found.returncode or not found.stdout.strip():
        raise SystemExit(f"Batch account {account} was not found in resource group {group}:\n{reason(found)}")
    pool_id = f"{found.stdout.strip()}/pools/{POOL}"
    refuse_pool_of_others(pool_id, nodes)
    former = os.environ.get(MADE_POOL, "")
    if former and former.lower() != pool_id.lower():
        say(f"{former} was made before, and stays: `az resource delete --ids {former}` removes it.")
    # Before it is made: what is made by half must go as well.
    note({MADE_POOL: pool_id, MADE_FOR: principal})
    parameters = {
        "accountName": account,
        "poolName": POOL,
        "vmSize": os.environ.get("BATCHDROP_VM_SIZE") or "STANDARD_D2S_V3",
        "taskSlotsPerNode": os.environ.get("BATCHDROP_TASK_SLOTS") or "1",
        "nodesIdentityId": nodes,
        "appPrincipalId": principal,
    }
    done = deploy("pool.bicep", group, parameters)
    if done.returncode:
        raise SystemExit(f"The pool could not be made in Batch account {account}:\n{reason(done)}")
    say(f"Pool {POOL} is in Batch account {account}.")


def refuse_pool_of_others(pool_id: str, nodes: str) -> None:
    """Raise SystemExit if the pool exists and its nodes are not ours: Bicep would take it, and `azd down` remove it."""
    found = az("resource", "show", "--ids", pool_id, "--query", "identity", "--output", "json")
    if found.returncode:
        if "NotFound" in found.stderr:
            return
        raise SystemExit(f"It is not known whether {pool_id} exists:\n{reason(found)}")
    identity = json.loads(found.stdout or "null") or {}
    if nodes.lower() not in {one.lower() for one in identity.get("userAssignedIdentities") or {}}:
        raise SystemExit(
            f"{pool_id} exists, and is not of this environment: its nodes have another identity than {nodes}. Another"
            " azd environment may have made it. Use another Batch account, or delete the pool if nobody needs it"
        )


def remove_pool() -> None:
    """Remove what `pool` noted; what is gone already, with its account or by hand, is as good."""
    pool_id, principal = os.environ.get(MADE_POOL, ""), os.environ.get(MADE_FOR, "")
    if not pool_id:
        if endpoint := os.environ.get("BATCHDROP_BATCH_ENDPOINT", ""):
            say(f"No pool was made from here in {endpoint}: there is nothing to remove in it.")
        return
    account_id = pool_id.rpartition("/pools/")[0]
    remove("resource", "delete", "--ids", pool_id)
    # Not by --assignee, which az looks up: the identity is gone, and its role is not.
    query = f"[?principalId=='{principal}'].id"
    listed = az("role", "assignment", "list", "--scope", account_id, "--query", query, "--output", "tsv")
    if listed.returncode and "NotFound" not in listed.stderr:
        raise SystemExit(f"The app's role in {account_id} may be left:\n{reason(listed)}\n{AGAIN}")
    if roles := listed.stdout.split() if not listed.returncode else []:
        remove("role", "assignment", "delete", "--ids", *roles)
    note({MADE_POOL: "", MADE_FOR: ""})
    say(f"Pool {POOL} and the app's role are gone from {account_id}.")


AGAIN = "`azd hooks run postdown` makes another attempt."


def remove(*words: str) -> None:
    if (done := az(*words)).returncode and "NotFound" not in done.stderr:
        raise SystemExit(f"az {' '.join(words)} failed:\n{reason(done)}\n{AGAIN}")


def subscribe() -> None:
    wake(needed("AZURE_FUNCTION_APP_URL"))
    parameters = {
        "functionAppName": needed("AZURE_FUNCTION_APP_NAME"),
        "topicName": needed("AZURE_EVENT_TOPIC_NAME"),
        "inputContainer": needed("INPUT_CONTAINER"),
    }
    say("Making the event subscription: Event Grid asks the app's blob trigger whether it takes events...")
    for attempt in range(1, ATTEMPTS + 1):
        done = deploy("subscription.bicep", needed("AZURE_RESOURCE_GROUP"), parameters)
        if not done.returncode:
            say("Events about new input files go to the blob trigger. What else may be missing: `batchdrop doctor`.")
            return
        said = reason(done)
        if done.returncode == USAGE or FINAL.search(said) or attempt == ATTEMPTS:
            break
        say(f"Attempt {attempt} of {ATTEMPTS}; the next in {PAUSE_SECONDS:.0f} s. Not yet: {brief(said)}")
        time.sleep(PAUSE_SECONDS)
    raise SystemExit(
        f"The event subscription could not be made; files are found by the sweep alone:\n{said}\n"
        "`azd hooks run postdeploy` makes another attempt."
    )


def wake(url: str) -> None:
    """Have the app started: its host makes the trigger's key. That it does not answer is shown by what comes next."""
    say(f"Waiting for the app to start, which makes the blob trigger's key: {url}/api/dashboard")
    for attempt in range(1, WAKE_ATTEMPTS + 1):
        try:
            with urlopen(f"{url}/api/dashboard", timeout=30):  # noqa: S310 - the address is Bicep's
                return
        except HTTPError as exc:
            said = f"HTTP {exc.code}"
        except (URLError, OSError) as exc:
            said = str(getattr(exc, "reason", exc))
        say(f"Attempt {attempt} of {WAKE_ATTEMPTS}: it does not answer yet ({said}).")
        if attempt < WAKE_ATTEMPTS:
            time.sleep(PAUSE_SECONDS)


def deploy(template: str, group: str, parameters: "dict[str, str]") -> "subprocess.CompletedProcess[str]":
    """Deploy a template."""
    said = [f"{name}={value}" for name, value in parameters.items()]
    command = ("deployment", "group", "create", "--resource-group", group, "--name", f"batchdrop-{template[:-6]}")
    return az(*command, "--template-file", str(INFRA / template), "--output", "none", "--parameters", *said)


def az(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run az in the subscription that azd deploys to, which need not be az's own default."""
    program = shutil.which("az")
    if program is None:
        raise SystemExit("az is not on PATH: https://learn.microsoft.com/cli/azure/install-azure-cli")
    subscription = os.environ.get("AZURE_SUBSCRIPTION_ID", "")
    chosen = ("--subscription", subscription) if subscription else ()
    return subprocess.run([program, *arguments, *chosen], check=False, capture_output=True, text=True)


def note(values: "dict[str, str]") -> None:
    """Write into azd's environment, which azd reads again after each hook; says so where azd is not at hand."""
    azd = shutil.which("azd")
    for name, value in values.items():
        command = [azd or "azd", "env", "set", name, value]
        if azd is None or subprocess.run(command, cwd=INFRA.parent, check=False, capture_output=True).returncode:
            say(f"azd could not note it: run `azd env set {name} '{value}'`, or `azd down` leaves the pool.")


def account_name() -> str:
    """Return the name of the Batch account that exists: its endpoint is https://ACCOUNT.REGION.batch.azure.com."""
    endpoint = needed("BATCHDROP_BATCH_ENDPOINT")
    parts = urlsplit(endpoint)
    name = (parts.hostname or "").partition(".")[0]
    if parts.scheme != "https" or not name:
        raise SystemExit(f"BATCHDROP_BATCH_ENDPOINT is {endpoint!r}: it must be https://ACCOUNT.REGION.batch.azure.com")
    return name


def needed(name: str) -> str:
    if value := os.environ.get(name, ""):
        return value
    raise SystemExit(f"{name} is not in azd's environment: `azd provision` sets it, or `azd env set {name} VALUE`")


def reason(done: "subprocess.CompletedProcess[str]") -> str:
    """Return why az failed, without keys."""
    return redacted(done.stderr) or f"az ended with {done.returncode}"


def brief(text: str) -> str:
    """Return the end of what az said, which is the reason: it begins with its frame."""
    line = " ".join(text.split())
    return line if len(line) <= 400 else f"...{line[-400:]}"


def redacted(text: str) -> str:
    return re.sub(r"((?:code|sig|AccountKey)(?:=|%3D))[^&\s\"']+", r"\1...", text).strip()


def say(line: str) -> None:
    # At once: azd shows it while the hook runs.
    print(line, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
