"""`batchdrop doctor`: what is wrong, and what to do about it."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from batch_core.cli.deployment import Deployment
from batch_core.cli.diagnosis import examine, python_finding
from batch_core.cli.origin import Origin
from batch_core.cli.remedies import Finding, with_remedy
from batch_core.cli.session import DEFAULTS, Options, run
from batch_core.cli.terminal import Command, Entry, Terminal
from batch_core.config.schedule import CronSchedule
from batch_core.config.settings import SCHEDULES
from batch_core.errors import SettingsError


def doctor(*, options: Options = DEFAULTS) -> int:
    """Examine settings, services, permissions, clock, pools and events: what is wrong, and what to do.

    With the variables of azd's environment it also asks Azure Resource Manager for the deployment's roles, app
    settings, event subscription and core quotas. Nothing is changed. The exit code is 1 if something is wrong, 2 if
    the settings are.

    For example:
        batchdrop doctor
        batchdrop doctor --settings production.settings.json --json
    """
    terminal = Terminal(is_json=options.json)
    python = python_finding()
    try:
        origin = Origin.of(options.settings)
    except SettingsError as exc:
        _print(terminal, [python, *_wrong_settings(exc.problems)])
        return 2
    named = zip(("storage account", "batch account"), origin.accounts(), strict=True)
    where = [Finding.note(name, account) for name, account in named]
    try:
        origin.settings()
        deployment = Deployment.of(origin.values)
        pause = _shortest_pause(origin.values)
        found = run(options, lambda session: examine(session.app, deployment, pause), terminal)
    except SettingsError as exc:
        wrong = [problem for problem in exc.problems if problem != origin.where]
        _print(terminal, [python, *where, *_wrong_settings(wrong), Finding.note("settings", origin.where)])
        return 2
    findings = [python, *where, *found]
    _print(terminal, findings)
    return 1 if any(finding.is_wrong for finding in findings) else 0


def _shortest_pause(values: Mapping[str, str]) -> timedelta:
    """Return how long it may be between two runs of the timer that runs most often; a week if none runs every day."""
    schedules = [values.get(name, "").strip() or default for name, default in SCHEDULES.items()]
    pauses = [CronSchedule.parse(schedule).longest_pause for schedule in schedules]
    return min([pause for pause in pauses if pause is not None], default=timedelta(weeks=1))


def _wrong_settings(problems: Sequence[str]) -> list[Finding]:
    return [with_remedy(Finding(name="settings", is_ok=False, detail=problem)) for problem in problems]


def _print(terminal: Terminal, findings: Sequence[Finding]) -> None:
    if terminal.is_json:
        checks = [
            {"name": one.name, "ok": one.is_ok, "detail": one.detail, "remedy": one.remedy, "command": one.command}
            for one in findings
        ]
        terminal.document({"is_ok": not any(one.is_wrong for one in findings), "checks": checks})
        return
    terminal.show(*_entries(findings))
    terminal.say(_in_all(findings))


def _entries(findings: Sequence[Finding]) -> list[Entry | Command]:
    """Return a line for each, and below the last that has it, what to do."""
    marks = max(len(one.mark) for one in findings)
    widest = max(len(one.name) for one in findings)
    margin = marks + widest + 4
    last = {(one.remedy, one.command): number for number, one in enumerate(findings)}
    entries: list[Entry | Command] = []
    for number, one in enumerate(findings):
        entries.append(Entry(about=f"{one.mark:<{marks}}  {one.name}", text=one.detail, margin=margin))
        if one.remedy and last[one.remedy, one.command] == number:
            entries.append(Entry(about="", text=f"to do: {one.remedy}", margin=margin))
            entries += [Command(text=one.command, margin=margin)] if one.command else []
    return entries


def _in_all(findings: Sequence[Finding]) -> str:
    wrong = sum(one.is_wrong for one in findings)
    unknown = sum(one.is_unknown for one in findings)
    if not wrong and not unknown:
        return "all is well"
    said = {0: "nothing is wrong", 1: "1 thing is wrong"}.get(wrong, f"{wrong} things are wrong")
    return said + (f", {unknown} {'is' if unknown == 1 else 'are'} not known" if unknown else "")
