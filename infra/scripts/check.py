"""Check what `azd env set` was given, and what the hooks need, before anything is made: all problems at once.

    package      before the package is built: the variables, the settings among them, routes.toml, and pip
    provision    before anything is made on Azure: the same, and az

azd takes its default for a number or a truth value that it cannot read (armParameterFileValue in
cli/azd/pkg/infra/provisioning/bicep/bicep_provider.go of https://github.com/Azure/azure-dev), and a wrong setting of
the app is seen when the app has been deployed. Any Python from 3.9 on runs this, with nothing installed but pip.
"""

import __future__

import difflib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
NAMES = ROOT / "batch_core" / "config" / "names.py"
ROUTES = ROOT / "routes.toml"
#: Where `make setup` puts the app's packages: what is there checks settings and routes as the app does.
APP_PYTHONS = (ROOT / ".venv/bin/python", ROOT / ".venv/Scripts/python.exe")

Rule = tuple[str, str]
#: Go's strconv.ParseBool, which azd reads them with.
TRUTH: Rule = ("1|t|T|true|TRUE|True|0|f|F|false|FALSE|False", "true or false")
_N = "[0-9]+(?:[.,][0-9]+)?"
DURATION: Rule = (
    rf"P(?=[0-9T])({_N}W)?({_N}D)?(T(?=[0-9])({_N}H)?({_N}M)?({_N}S)?)?",
    "an ISO 8601 duration in days, such as P90D, from P1D to P3650D",
)
#: https://learn.microsoft.com/rest/api/storageservices/naming-queues-and-metadata; the rest is the Functions host's.
QUEUE: Rule = (
    r"(?!azure-webjobs|webjobs-)(?!.*-poison$)(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*",
    "3 to 63 lower-case letters, digits and single hyphens, and not azure-webjobs..., webjobs-... or ...-poison",
)
#: What is said of each variable: a pattern or a range, and the words for it. Empty is as if it was never set.
PATTERNS: "dict[str, Rule]" = {
    "BATCHDROP_VM_SIZE": ("[A-Za-z0-9_-]{1,64}", "the name of a VM size, such as STANDARD_D2S_V3"),
    "BATCHDROP_SPOT": TRUTH,
    "BATCHDROP_MEMORY": ("512|2048|4096", "512, 2048 or 4096"),
    "BATCHDROP_ALERT_EMAIL": (r"[^@\s]+@[^@\s]+", "one address, such as ops@example.com"),
    "BATCHDROP_METRICS": TRUTH,
    "BATCHDROP_EVENTS_QUEUE": QUEUE,
    "BATCHDROP_RECORD_RETENTION": DURATION,
    "BATCHDROP_OUTPUT_RETENTION": DURATION,
    "BATCHDROP_BATCH_ENDPOINT": (
        r"https://[a-z0-9]{3,24}\.[a-z0-9-]+\.batch\.[a-z.]+/?",
        "https://ACCOUNT.REGION.batch.azure.com",
    ),
    "BATCHDROP_BATCH_GROUP": (r"[\w().-]{1,90}", "the name of a resource group"),
}
RANGES = {
    "BATCHDROP_TASK_SLOTS": (1, 256),
    "BATCHDROP_MAX_NODES": (1, 1000),
    "BATCHDROP_ALERT_MINUTES": (10, 525_600),
}
SETTINGS = "BATCHDROP_SETTINGS"
#: https://learn.microsoft.com/azure/azure-functions/functions-app-settings#flex-consumption-plan-deprecations
REFUSED_BY_FLEX = {
    *("ENABLE_ORYX_BUILD", "SCM_DO_BUILD_DURING_DEPLOYMENT"),
    *("FUNCTIONS_EXTENSION_VERSION", "FUNCTIONS_WORKER_RUNTIME", "FUNCTIONS_WORKER_RUNTIME_VERSION"),
    *("FUNCTIONS_MAX_HTTP_CONCURRENCY", "FUNCTIONS_WORKER_PROCESS_COUNT"),
    *("FUNCTIONS_WORKER_DYNAMIC_CONCURRENCY_ENABLED", "WEBSITE_MAX_DYNAMIC_APPLICATION_SCALE_OUT"),
    *("WEBSITE_CONTENTAZUREFILECONNECTIONSTRING", "WEBSITE_CONTENTOVERVNET", "WEBSITE_CONTENTSHARE"),
    *("WEBSITE_DNS_SERVER", "WEBSITE_NODE_DEFAULT_VERSION", "WEBSITE_RUN_FROM_PACKAGE"),
    *("WEBSITE_SKIP_CONTENTSHARE_VALIDATION", "WEBSITE_VNET_ROUTE_ALL", "WEBSITE_TIME_ZONE", "TZ"),
}
CONTAINER: Rule = (
    r"(?!azure-webjobs)(?!app-package$)(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*",
    "3 to 63 lower-case letters, digits and single hyphens, and not app-package or azure-webjobs...",
)
#: Settings that Bicep makes something of.
MADE: "dict[str, Rule]" = {
    "INPUT_CONTAINER": CONTAINER,
    "OUTPUT_CONTAINER": CONTAINER,
    "TABLE_NAME": ("(?![Tt]ables$)[A-Za-z][A-Za-z0-9]{2,62}", "3 to 63 letters and digits, a letter first"),
    "EVENTS_QUEUE": (f"|{QUEUE[0]}", QUEUE[1]),
    # 0 would leave the number of nodes to nobody: the pool is made without any.
    "POOL_MAX_NODES": ("[1-9][0-9]{0,2}|1000", "a whole number from 1 to 1000"),
}
#: For who tries the hooks, or the smoke test.
OTHERS = {"BATCHDROP_PAUSE_SECONDS", "BATCHDROP_SMOKE_SECONDS"}
KNOWN = {*PATTERNS, *RANGES, SETTINGS, *OTHERS}

#: Settings that describe what Bicep makes: another value would be of something else. With what to say in their place.
NOT_SETTINGS = {
    "BATCH_POOL_ID": "the pool is Bicep's; other pools are routes.toml's",
    "BATCH_ENDPOINT": "BATCHDROP_BATCH_ENDPOINT names an account that exists",
    "BATCH_ACCOUNT_NAME": "the app has an identity, and no key",
    "BATCH_ACCOUNT_KEY": "the app has an identity, and no key",
    "BLOB_TRIGGER_SOURCE": "Flex Consumption knows EventGrid alone",
    "POOL_EXISTING": "the pool is Bicep's",
    "POOL_IDENTITY_RESOURCE_ID": "the pool is Bicep's",
    "POOL_IMAGE": "the pool is Bicep's: infra/pool.bicep",
    "POOL_NODE_AGENT_SKU": "the pool is Bicep's: infra/pool.bicep",
    "POOL_NODE_COUNT": "the app sets the number of nodes, up to BATCHDROP_MAX_NODES",
    "POOL_TASK_SLOTS_PER_NODE": "BATCHDROP_TASK_SLOTS says it of a new pool",
    "POOL_VM_SIZE": "BATCHDROP_VM_SIZE says it of a new pool",
    "ROUTES_FILE": "the package holds routes.toml, and no other",
}
NOT_SETTINGS_AT_ALL = re.compile(r"(?i)(DATA_STORAGE|AzureWebJobsStorage|APPLICATIONINSIGHTS_)")
LOGIN = "sign in with `az login`"


def main(words: list[str]) -> None:
    """Run one of the checks; raises SystemExit with every problem."""
    if words not in (["package"], ["provision"]):
        raise SystemExit(f"check.py takes one word, package or provision, and got {' '.join(words) or 'none'}")
    problems = [*variable_problems(os.environ), *app_problems(os.environ), *pip_problems()]
    if words == ["provision"]:
        problems += az_problems(os.environ.get("AZURE_SUBSCRIPTION_ID", ""))
    if problems:
        listed = "\n".join(f"- {one}" for one in problems)
        raise SystemExit(
            f"Nothing was made: this is wrong.\n{listed}\n"
            'azd env set NAME VALUE changes a variable; azd env set NAME "" is as if it was never set.'
        )


def variable_problems(env: Mapping[str, str]) -> Iterator[str]:
    """Yield what is wrong with the variables, a sentence each."""
    given = {name: value for name, value in env.items() if name.startswith("BATCHDROP_") and value}
    for name in sorted(given.keys() - KNOWN):
        meant = difflib.get_close_matches(name, sorted(KNOWN - OTHERS), n=1)
        yield f"{name} is no variable of docs/azure.md" + (f": did you mean {meant[0]}?" if meant else "")
    for name, (pattern, rule) in PATTERNS.items():
        if name in given and not re.fullmatch(pattern, given[name], re.ASCII):
            yield f"{name} is {given[name]!r}: it must be {rule}"
    for name, (low, high) in RANGES.items():
        if name in given and not _is_whole(given[name], low, high):
            yield f"{name} is {given[name]!r}: it must be a whole number from {low} to {high}"
    yield from _together(given)
    yield from settings_problems(given.get(SETTINGS, "{}"))


def _together(given: Mapping[str, str]) -> Iterator[str]:
    """Yield what does not fit each other."""
    endpoint, group = (given.get(f"BATCHDROP_BATCH_{one}") for one in ("ENDPOINT", "GROUP"))
    if endpoint and not group:
        yield "BATCHDROP_BATCH_GROUP is not set: it must be the resource group of BATCHDROP_BATCH_ENDPOINT's account"
    if group and not endpoint:
        yield "BATCHDROP_BATCH_ENDPOINT is not set: BATCHDROP_BATCH_GROUP alone names no account"
    for name in ("BATCHDROP_RECORD_RETENTION", "BATCHDROP_OUTPUT_RETENTION"):
        if (days := days_of(given.get(name, ""))) is not None and not 1 <= days <= 3650:
            yield f"{name} is {given[name]!r}: it must be {DURATION[1]}"
    said = {**_retention(given), **_texts(given.get(SETTINGS, ""))}
    records, outputs = (days_of(said.get(f"{one}_RETENTION_TIME", "")) for one in ("RECORD", "OUTPUT"))
    if records is not None and outputs is not None and outputs > records:
        yield (
            f"outputs would be kept longer ({said['OUTPUT_RETENTION_TIME']}) than the records that they are found by"
            f" ({said['RECORD_RETENTION_TIME']}): BATCHDROP_OUTPUT_RETENTION must be as long or shorter, or not set"
        )


def _retention(given: Mapping[str, str]) -> dict[str, str]:
    names = {f"{one}_RETENTION_TIME": f"BATCHDROP_{one}_RETENTION" for one in ("RECORD", "OUTPUT")}
    return {setting: given[variable] for setting, variable in names.items() if variable in given}


def settings_problems(text: str) -> Iterator[str]:
    """Yield what is wrong with the JSON of settings; values are not repeated, since they may be secrets."""
    example = """such as '{"TASK_RETENTION_TIME": "P1D"}'"""
    try:
        settings = json.loads(text)
    except ValueError as exc:
        yield f"{SETTINGS} is no JSON ({exc}): it must be an object of names and texts, {example}"
        return
    if not isinstance(settings, dict):
        yield f"{SETTINGS} is a JSON {type(settings).__name__}: it must be an object of names and texts, {example}"
        return
    for name, value in settings.items():
        yield from setting_problems(name, value)
    if settings.get("INPUT_CONTAINER", "input") == settings.get("OUTPUT_CONTAINER", "output"):
        yield f"{SETTINGS}: input and output would be the same container: each output would be taken as a new input"
    for name, meant in _misspelled(settings).items():
        yield f"{SETTINGS}: {name} is no setting of this app: did you mean {meant}?"


def setting_problems(name: str, value: object) -> Iterator[str]:
    """Yield what is wrong with one of the settings."""
    if not isinstance(value, str):
        said = json.dumps(value)
        yield f"{SETTINGS}: {name} is {said}: it must be a text, in quotes: {json.dumps(said)}"
    elif name in MADE and not re.fullmatch(MADE[name][0], value, re.ASCII):
        yield f"{SETTINGS}: {name} is {value!r}: it must be {MADE[name][1]}"
    if name in REFUSED_BY_FLEX:
        yield f"{SETTINGS}: {name} cannot be chosen here: Flex Consumption has no such setting, or refuses it"
    elif name in NOT_SETTINGS:
        yield f"{SETTINGS}: {name} cannot be chosen here: {NOT_SETTINGS[name]}"
    elif NOT_SETTINGS_AT_ALL.match(name):
        yield f"{SETTINGS}: {name} cannot be chosen here: the app's storage and log are Bicep's"


def _misspelled(names: Iterable[str]) -> dict[str, str]:
    """Return names that are nearly a setting's, as the app itself finds them."""
    # Its annotations are newer than this Python may be: with this flag they are not evaluated.
    flag = __future__.annotations.compiler_flag
    module: dict[str, Any] = {"__name__": "names"}
    exec(compile(NAMES.read_text(encoding="utf-8"), NAMES, "exec", flags=flag), module)  # noqa: S102 - a file of ours
    found: dict[str, str] = module["misspelled"](names)
    return found


def app_problems(env: Mapping[str, str]) -> Iterator[str]:
    """Yield what the app itself finds wrong with its settings and routes; without its packages, whether it is TOML."""
    python = next((one for one in APP_PYTHONS if _has_app(one)), None)
    if python is None:
        yield from toml_problems()
        return
    if any(settings_problems(env.get(SETTINGS) or "{}")):
        return  # said already
    command = [str(python), "-m", "batch_core", "routes", "check", "--settings", "-"]
    kept = {name: env[name] for name in ("PATH", "HOME", "SYSTEMROOT", "PATHEXT", "TMPDIR", "TEMP") if name in env}
    found = subprocess.run(
        command, cwd=ROOT, env={**kept, **as_deployed(env)}, capture_output=True, text=True, check=False
    )
    if found.returncode:
        yield from _app_lines(found.stderr)


def _has_app(python: Path) -> bool:
    # A path that is not there cannot be run.
    found = shutil.which(str(python))
    return (
        bool(found)
        and not subprocess.run([str(found), "-c", "import cyclopts"], capture_output=True, check=False).returncode
    )


def _app_lines(text: str) -> Iterator[str]:
    """Yield the problems that the command line lists, without where it looked."""
    lines = [line.strip() for line in text.splitlines()]
    wanted = [line for line in lines if line and not re.match(r"(Storage|Batch) account |they are read from ", line)]
    listed = [line for line in wanted if not line.endswith(" are wrong:")]
    yield from listed or ["the app refuses its settings or routes.toml: `batchdrop routes check`"]


def as_deployed(env: Mapping[str, str]) -> dict[str, str]:
    """Return the app's settings as Bicep will give them, with names of resources that may not exist yet."""
    identity = "Microsoft.ManagedIdentity/userAssignedIdentities/nodes"
    made = {
        f"DATA_STORAGE__{one}ServiceUri": f"https://name.{one}.core.windows.net" for one in ("blob", "queue", "table")
    }
    storage = {f"AzureWebJobsStorage__{name.partition('__')[2]}": value for name, value in made.items()}
    # Of these, what routes.toml names must be set; what they are worth is not looked at.
    others = dict.fromkeys(("APPLICATIONINSIGHTS_CONNECTION_STRING", "APPLICATIONINSIGHTS_AUTHENTICATION_STRING"), "x")
    others.update(dict.fromkeys(re.findall(r"%(WEBSITE_[A-Z_]+)%", _routes_text()), "x"))  # the host's own
    client = {"credential": "managedidentity", "clientId": "00000000-0000-0000-0000-000000000000"}
    return {
        **made,
        **storage,
        **{
            f"{one}__{name}": value for one in ("DATA_STORAGE", "AzureWebJobsStorage") for name, value in client.items()
        },
        **others,
        "INPUT_CONTAINER": "input",
        "OUTPUT_CONTAINER": "output",
        "TABLE_NAME": "tasks",
        "EVENTS_QUEUE": env.get("BATCHDROP_EVENTS_QUEUE", ""),
        "RECORD_RETENTION_TIME": env.get("BATCHDROP_RECORD_RETENTION", ""),
        "OUTPUT_RETENTION_TIME": env.get("BATCHDROP_OUTPUT_RETENTION", ""),
        "COLLECT_SCHEDULE": "0 * * * * *",
        "SCALE_SCHEDULE": "30 * * * * *",
        "SWEEP_SCHEDULE": "0 */10 * * * *",
        "TIDY_SCHEDULE": "0 30 * * * *",
        "POOL_SPOT_PERCENT": "100",
        "BATCH_ENDPOINT": "https://name.region.batch.azure.com",
        "BATCH_POOL_ID": "files-pool",
        "BLOB_TRIGGER_SOURCE": "EventGrid",
        "POOL_EXISTING": "true",
        "POOL_MAX_NODES": _number(env, "BATCHDROP_MAX_NODES", "4"),
        "POOL_TASK_SLOTS_PER_NODE": _number(env, "BATCHDROP_TASK_SLOTS", "1"),
        "POOL_IDENTITY_RESOURCE_ID": f"/subscriptions/x/resourceGroups/x/providers/{identity}",
        **_texts(env.get(SETTINGS, "")),
    }


def _routes_text() -> str:
    return ROUTES.read_text(encoding="utf-8", errors="replace") if ROUTES.is_file() else ""


def _number(env: Mapping[str, str], name: str, default: str) -> str:
    """Return the value if it is right: what is wrong is said of the variable."""
    value = env.get(name, "")
    return value if _is_whole(value, *RANGES[name]) else default


def toml_problems() -> Iterator[str]:
    """Yield why routes.toml is no TOML, if it exists and this Python can read it."""
    if not ROUTES.is_file():
        return
    try:
        import tomllib as toml  # noqa: PLC0415 - of Python 3.11
    except ImportError:
        try:
            from pip._vendor import tomli as toml  # type: ignore[no-redef] # noqa: PLC0415 - before, pip has it
        except ImportError:
            return
    try:
        toml.loads(ROUTES.read_text(encoding="utf-8"))
    except ValueError as exc:
        yield f"routes.toml is no TOML: {exc}"


def pip_problems() -> Iterator[str]:
    if sys.version_info < (3, 9):  # noqa: UP036 - what runs this is the deploying machine's
        yield f"{sys.executable} is Python {sys.version.split()[0]}: it must be 3.9 or newer, to build the package"
    found = subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, text=True, check=False)
    if found.returncode:
        yield (
            f"{sys.executable} has no pip, which builds the package: install it (python3-pip on Debian and Ubuntu), or"
            " activate an environment that has it"
        )


def az_problems(subscription: str) -> Iterator[str]:
    """Yield why az cannot be used in the subscription that azd deploys to; before azd has asked for one, in any."""
    program = shutil.which("az")
    if program is None:
        yield "az is not on PATH, which the hooks need: https://learn.microsoft.com/cli/azure/install-azure-cli"
        return
    where = ["--subscription", subscription] if subscription else []
    # More than `az account show`, which also answers when the session has ended. The token itself is not printed.
    command = [program, "account", "get-access-token", *where, "--query", "subscription", "--output", "tsv"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode:
        of = f" in subscription {subscription}, which azd deploys to" if subscription else ""
        reason = (found.stderr.strip() or f"az ended with {found.returncode}").splitlines()
        yield f"az cannot be used{of}: {LOGIN}, with an account that may use it. az says: {reason[0]}"


def days_of(text: str) -> "float | None":
    """Return the length of a duration; None if it is none."""
    if not re.fullmatch(DURATION[0], text, re.ASCII):
        return None
    date, _, time = text[1:].partition("T")
    units = {"W": 7.0, "D": 1.0, "h": 1 / 24, "m": 1 / 1440, "s": 1 / 86400}
    parts = re.findall(f"({_N})([A-Za-z])", date + time.lower())
    return sum(float(count.replace(",", ".")) * units[unit] for count, unit in parts)


def _is_whole(text: str, low: int, high: int) -> bool:
    return bool(re.fullmatch(r"[0-9]{1,9}", text, re.ASCII)) and low <= int(text) <= high


def _texts(text: str) -> dict[str, str]:
    """Return the settings that are texts, as far as it is JSON."""
    try:
        settings = json.loads(text)
    except ValueError:
        return {}
    items = settings.items() if isinstance(settings, dict) else ()
    return {name: value for name, value in items if isinstance(value, str)}


if __name__ == "__main__":
    main(sys.argv[1:])
