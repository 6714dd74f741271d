"""`batchdrop doctor`: what is wrong, and what to do about it."""

from collections.abc import Sequence

from batch_core.cli.diagnosis import examine, python_finding
from batch_core.cli.escaping import in_line
from batch_core.cli.origin import Origin
from batch_core.cli.remedies import Finding, with_remedy
from batch_core.cli.session import DEFAULTS, Options, Session, run
from batch_core.cli.terminal import Terminal
from batch_core.errors import SettingsError


def doctor(*, options: Options = DEFAULTS) -> int:
    """Examine settings, services, permissions, clock, pools and events: what is wrong, and what to do.

    Nothing is changed. The exit code is 1 if something is wrong, 2 if the settings are.

    For example:
        batchdrop doctor
        batchdrop doctor --settings production.settings.json --json
    """
    terminal = Terminal(is_json=options.json)
    python = python_finding()
    try:
        accounts = Origin.of(options.settings).accounts()
        found = run(options, _examine, terminal)
    except SettingsError as exc:
        wrong = [Finding(name="settings", is_ok=False, detail=problem) for problem in exc.problems]
        _print(terminal, [python, *wrong[:-1], *map(with_remedy, wrong[-1:])])
        return 2
    named = zip(("storage account", "batch account"), accounts, strict=True)
    where = [Finding(name=name, is_ok=True, detail=account) for name, account in named]
    findings = [python, *where, *found]
    _print(terminal, findings)
    return 0 if all(finding.is_ok for finding in findings) else 1


async def _examine(session: Session) -> list[Finding]:
    return await examine(session.app)


def _print(terminal: Terminal, findings: Sequence[Finding]) -> None:
    if terminal.is_json:
        checks = [{"name": one.name, "ok": one.is_ok, "detail": one.detail, "remedy": one.remedy} for one in findings]
        terminal.document({"is_ok": all(one.is_ok for one in findings), "checks": checks})
        return
    widest = max(len(one.name) for one in findings)
    for one in findings:
        mark = "ok   " if one.is_ok else "WRONG"
        terminal.line(f"{mark}  {in_line(one.name):<{widest}}  {in_line(one.detail)}")
        if one.remedy:
            terminal.line(f"{'':7}{'':<{widest}}  to do: {one.remedy}")
    wrong = sum(not one.is_ok for one in findings)
    terminal.say("all is well" if not wrong else f"{wrong} of {len(findings)} are wrong")
