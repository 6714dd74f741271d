"""Run three files on the app that azd has deployed, and say which claims about Azure that has shown.

    azd up && make azure-smoke

It costs the minutes of a node. What it cannot show, it says so of; nothing is made or changed beside the three files,
their tasks and their output.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "local" / "samples"
PATIENCE_SECONDS = float(os.environ.get("BATCHDROP_SMOKE_SECONDS", "2400"))
FINAL = {"succeeded", "failed", "cancelled", "rejected", "output_lost"}

type Record = dict[str, Any]


def main() -> int:
    """Return 0 if all three files succeeded and health is well."""
    settings = azd_values()
    prefix = f"smoke-{time.strftime('%Y%m%dT%H%M%S')}/"
    health = health_of(settings)
    batchdrop(settings, "drop", "--prefix", prefix, str(SAMPLES))
    records = finished(settings, prefix)
    outputs = {record["task_id"]: batchdrop(settings, "logs", record["task_id"]) for record in records}
    shown = dict(claims(settings, health, records, outputs))
    print()
    for claim, is_shown in shown.items():
        print(f"{'shown    ' if is_shown else 'NOT shown'}  {claim}")
    return 0 if health == "ok" and records and all(record["state"] == "succeeded" for record in records) else 1


def claims(
    settings: dict[str, str], health: str, records: Sequence[Record], outputs: dict[str, str]
) -> Iterable[tuple[str, bool]]:
    """Yield each sentence of "Not verified" in docs/azure.md that three files can show, and whether they did."""
    contents = sorted(file.read_text(encoding="utf-8") for file in SAMPLES.iterdir())
    done = [record for record in records if record["state"] == "succeeded"]
    all_done = len(done) == len(contents)
    yield "the package runs on Flex Consumption with Python 3.13, and health is well", health == "ok"
    yield "the app hands files to Batch by its identity, and the scaler gets nodes", all_done
    yield "events reach the trigger", all_done and all(one["detected_by"] == "trigger" for one in done)
    yield "nodes read the input by the pool's identity", all_done and bool(settings.get("POOL_IDENTITY_RESOURCE_ID"))
    yield "output is collected from nodes", all_done and sorted(outputs.values()) == contents


def azd_values() -> dict[str, str]:
    ran = subprocess.run(["azd", "env", "get-values", "--output", "json"], check=False, capture_output=True, text=True)
    if ran.returncode:
        raise SystemExit(f"azd has no environment here: run `azd up` first\n{ran.stderr.strip()}")
    values: dict[str, str] = json.loads(ran.stdout)
    return values


def health_of(settings: dict[str, str]) -> str:
    """Ask the app itself, with a function key that is never shown."""
    command = ["az", "functionapp", "keys", "list", "--name", settings["AZURE_FUNCTION_APP_NAME"]]
    command += ["--resource-group", settings["AZURE_RESOURCE_GROUP"], "--query", "functionKeys.default", "-o", "tsv"]
    key = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    request = Request(f"{settings['AZURE_FUNCTION_APP_URL']}/api/health", headers={"x-functions-key": key})  # noqa: S310
    try:
        with urlopen(request, timeout=60) as reply:  # noqa: S310 - the address is Bicep's
            document = json.load(reply)
    except HTTPError as exc:
        if exc.code != 503:
            return f"HTTP {exc.code}"
        document = json.load(exc)
    except URLError as exc:
        return str(exc.reason)
    for name, check in document["checks"].items():
        print(f"{'ok   ' if check['ok'] else 'WRONG'}  {name}: {check['detail']}")
    return str(document["status"])


def finished(settings: dict[str, str], prefix: str) -> list[Record]:
    """Wait for the records of all three files to be final; returns them as they are when patience ends."""
    deadline, before = time.monotonic() + PATIENCE_SECONDS, ""
    while True:
        listed = batchdrop(settings, "list", "--prefix", prefix, "--json")
        records: list[Record] = [json.loads(line) for line in listed.splitlines()]
        now = ", ".join(f"{one['blob'].removeprefix(prefix)} {one['state']}" for one in records)
        if now != before:
            print(f"{time.strftime('%H:%M:%S')}  {now or 'no record yet'}")
        is_done = len(records) == len(list(SAMPLES.iterdir())) and all(one["state"] in FINAL for one in records)
        if is_done or time.monotonic() > deadline:
            return records
        before = now
        time.sleep(5)


def batchdrop(settings: dict[str, str], *words: str) -> str:
    """Run the command line with azd's values as its settings."""
    command = [sys.executable, "-m", "batch_core", *words, "--settings", "-"]
    ran = subprocess.run(command, cwd=ROOT, env=os.environ | settings, check=False, capture_output=True, text=True)
    if ran.returncode:
        raise SystemExit(f"batchdrop {words[0]} failed: {ran.stderr.strip()}")
    return ran.stdout


if __name__ == "__main__":
    sys.exit(main())
