"""Run files on the app that azd has deployed, and say which claims about Azure that has shown.

    make azure-smoke                                      the three samples
    make azure-smoke SMOKE="--prefix photos/ my/photos"   files of your own, below the folder that a route matches

It costs the minutes of a node. What it cannot show, it says so of; nothing is made or changed beside the files, their
tasks and their output. It ends with 0 if health is well, every file has succeeded and its output is as it must be, with
1 if not, and with 2 where it could not begin.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "local" / "samples"
PATIENCE_SECONDS = float(os.environ.get("BATCHDROP_SMOKE_SECONDS", "2400"))
FINAL = {"succeeded", "failed", "cancelled", "rejected", "output_lost"}

type Record = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What is dropped, and what is known of the app that it is dropped on."""

    settings: dict[str, str]
    prefix: str
    files: tuple[Path, ...]

    def name_of(self, file: Path) -> str:
        return f"{self.prefix}{file.name}"


def main(words: Sequence[str]) -> int:
    """Return 0 if all files succeeded with their output and health is well, otherwise 1."""
    trial = trial_of(words)
    refuse_files_without_route(trial)
    health = health_of(trial.settings)
    batchdrop(trial.settings, "drop", "--prefix", trial.prefix, *map(str, trial.files))
    records = finished(trial)
    outputs = outputs_of(trial, records)
    shown = dict(claims(trial, health, records, outputs))
    print()
    for claim, is_shown in shown.items():
        print(f"{'shown    ' if is_shown else 'NOT shown'}  {claim}")
    return 0 if health == "ok" and is_as_it_must_be(trial, records, outputs) else 1


def trial_of(words: Sequence[str]) -> Trial:
    parser = argparse.ArgumentParser(prog="make azure-smoke", description="Run files on the deployed app.")
    parser.add_argument("--prefix", default="", help="the folder in the container that a route of yours matches")
    parser.add_argument("files", nargs="*", type=Path, help="files, or folders of files; otherwise the samples")
    given = parser.parse_args(words)
    files = tuple(
        sorted(file for path in given.files or [SAMPLES] for file in (path.iterdir() if path.is_dir() else [path]))
    )
    if missing := [file for file in files if not file.is_file()]:
        parser.error(f"there is no file {missing[0]}")
    names = [file.name for file in files]
    if not names or len(set(names)) < len(names):
        parser.error("the files must have different names, and there must be one at least")
    folder = f"{given.prefix.rstrip('/')}/" if given.prefix else ""
    return Trial(settings=azd_values(), prefix=f"{folder}smoke-{time.strftime('%Y%m%dT%H%M%S')}/", files=files)


def refuse_files_without_route(trial: Trial) -> None:
    """End where routes.toml leaves the files alone: they would never have a record."""
    for file in trial.files:
        ran = run_batchdrop(trial.settings, "routes", "match", trial.name_of(file), "--json")
        # Where no task can be made there is no reply: what keeps it from being made is seen below.
        found = _document(ran.stdout) or {"route": ""}
        if found["route"] is None:
            stop(
                f"{trial.name_of(file)} would be left alone: {found['why']}\n"
                'Name files and a folder that a route takes: make azure-smoke SMOKE="--prefix FOLDER FILE..."'
            )


def claims(
    trial: Trial, health: str, records: Sequence[Record], outputs: dict[str, str | None]
) -> Iterable[tuple[str, bool]]:
    """Yield each sentence of "Not verified" in docs/azure.md that files can show, and whether they did."""
    all_done = is_all_done(trial, records)
    yield "the package runs on Flex Consumption with Python 3.13, and health is well", health == "ok"
    yield "the app hands files to Batch by its identity, and the scaler gets nodes", all_done
    yield "events reach the trigger", all_done and all(one["detected_by"] == "trigger" for one in records)
    identity = bool(trial.settings.get("POOL_IDENTITY_RESOURCE_ID"))
    yield "nodes read the input by the pool's identity", all_done and identity
    yield "output is collected from nodes", is_as_it_must_be(trial, records, outputs)


def is_all_done(trial: Trial, records: Sequence[Record]) -> bool:
    return len(records) == len(trial.files) and all(one["state"] == "succeeded" for one in records)


def is_as_it_must_be(trial: Trial, records: Sequence[Record], outputs: dict[str, str | None]) -> bool:
    """Return whether all succeeded and have output: of the default command, which prints its file, that very text."""
    if not is_all_done(trial, records) or None in outputs.values():
        return False
    if is_own_command(trial, records):
        return True
    contents = {trial.name_of(file): file.read_text(encoding="utf-8", errors="replace") for file in trial.files}
    return {record["blob"]: outputs[record["task_id"]] for record in records} == contents


def is_own_command(trial: Trial, records: Sequence[Record]) -> bool:
    """Return whether another command ran than the default one, whose output nobody here can foresee."""
    try:
        chosen = json.loads(trial.settings.get("BATCHDROP_SETTINGS") or "{}")
    except ValueError:
        chosen = {}
    settings = {**trial.settings, **chosen}
    return "TASK_COMMAND_LINE" in settings or any(record["route"] != "settings" for record in records)


def outputs_of(trial: Trial, records: Sequence[Record]) -> dict[str, str | None]:
    """Return what each command printed, by task; None where it is not to be had."""
    outputs: dict[str, str | None] = {}
    for record in records:
        ran = run_batchdrop(trial.settings, "logs", record["task_id"])
        # The exit code is the command's own; what it printed is there or it is not.
        is_there = record["state"] == "succeeded" and not ran.returncode
        outputs[record["task_id"]] = ran.stdout if is_there else None
        size = (
            f"{len(ran.stdout.encode()):,} bytes of output"
            if is_there
            else f"no output: {record.get('reason') or ran.stderr.strip()}"
        )
        print(f"{record['blob']}: {record['state']}, {size}")
    return outputs


def azd_values() -> dict[str, str]:
    ran = run("azd", "env", "get-values", "--output", "json")
    if ran.returncode:
        stop(f"azd has no environment here: run `azd up` first\n{redacted(ran.stderr)}")
    values: dict[str, str] = json.loads(ran.stdout)
    if missing := [name for name in ("AZURE_FUNCTION_APP_NAME", "AZURE_FUNCTION_APP_URL") if not values.get(name)]:
        stop(f"azd's environment has no {missing[0]}: nothing was deployed from it, so run `azd up` first")
    return values


def health_of(settings: dict[str, str]) -> str:
    """Ask the app itself, with a function key that is never shown."""
    words = ["functionapp", "keys", "list", "--name", settings["AZURE_FUNCTION_APP_NAME"]]
    words += ["--resource-group", settings["AZURE_RESOURCE_GROUP"], "--query", "functionKeys.default", "-o", "tsv"]
    if subscription := settings.get("AZURE_SUBSCRIPTION_ID"):
        words += ["--subscription", subscription]
    ran = run("az", *words)
    if ran.returncode or not ran.stdout.strip():
        stop(f"az could not get a key of the app, which health asks for:\n{redacted(ran.stderr) or 'it has none'}")
    headers = {"x-functions-key": ran.stdout.strip()}
    request = Request(f"{settings['AZURE_FUNCTION_APP_URL']}/api/health", headers=headers)  # noqa: S310
    try:
        with urlopen(request, timeout=60) as reply:  # noqa: S310 - the address is Bicep's
            document = json.load(reply)
    except HTTPError as exc:
        if exc.code != 503:
            return unwell(f"HTTP {exc.code}")
        document = _document(exc.read())
    except (URLError, OSError, ValueError) as exc:
        return unwell(str(getattr(exc, "reason", exc)))
    for name, check in document.get("checks", {}).items():
        print(f"{'ok   ' if check['ok'] else 'WRONG'}  {name}: {check['detail']}")
    return str(document.get("status")) if document else unwell("HTTP 503, and not from the app")


def _document(content: str | bytes) -> dict[str, Any]:
    """Return a JSON object; an empty one where there is none, as when the app's host says 503 in its own words."""
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def unwell(why: str) -> str:
    print(f"WRONG  health: {why}")
    return why


def finished(trial: Trial) -> list[Record]:
    """Wait for the records of all files to be final; returns them as they are when patience ends."""
    deadline, before = time.monotonic() + PATIENCE_SECONDS, ""
    while True:
        listed = batchdrop(trial.settings, "list", "--prefix", trial.prefix, "--json")
        records: list[Record] = [json.loads(line) for line in listed.splitlines()]
        now = ", ".join(f"{one['blob'].removeprefix(trial.prefix)} {one['state']}" for one in records)
        if now != before:
            print(f"{time.strftime('%H:%M:%S')}  {now or 'no record yet'}", flush=True)
        is_done = len(records) == len(trial.files) and all(one["state"] in FINAL for one in records)
        if is_done:
            return records
        if time.monotonic() > deadline:
            print(f"It has taken more than {PATIENCE_SECONDS / 60:.0f} minutes: `batchdrop doctor` may say why.")
            return records
        before = now
        time.sleep(5)


def batchdrop(settings: dict[str, str], *words: str) -> str:
    """Run the command line with azd's values as its settings."""
    ran = run_batchdrop(settings, *words)
    if ran.returncode:
        stop(f"batchdrop {words[0]} failed: {ran.stderr.strip()}")
    return ran.stdout


def run_batchdrop(settings: dict[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "batch_core", *words, "--settings", "-"]
    return subprocess.run(command, cwd=ROOT, env=os.environ | settings, check=False, capture_output=True, text=True)


def run(name: str, *words: str) -> "subprocess.CompletedProcess[str]":
    program = shutil.which(name)
    if program is None:
        stop(f"{name} is not on PATH: docs/azure.md says what is needed")
    return subprocess.run([program, *words], check=False, capture_output=True, text=True)


def redacted(text: str) -> str:
    return re.sub(r"((?:code|sig|AccountKey)(?:=|%3D))[^&\s\"']+", r"\1...", text).strip()


def stop(why: str) -> NoReturn:
    print(why, file=sys.stderr)
    raise SystemExit(2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
