"""Command line: `python -m chaos --seed 7`; exit code 0: all is well, 1: something was lost or wrong, 2: no run."""

import argparse
import asyncio
import secrets
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from chaos import report
from chaos.run import Plan, run
from local.errors import StackError

#: Less than the 15 minutes for which a key's signature is good, in seconds.
_AHEAD: Final = 720.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--seed", type=int, help="what is dropped and done follows from it (by default any)")
    parser.add_argument("--files", type=int, default=300, help="how many files are dropped")
    parser.add_argument("--seconds", type=float, default=100, help="for how long harm is done")
    parser.add_argument("--settle", type=float, default=150, help="how many seconds everything may take afterwards")
    parser.add_argument("--clock-ahead", type=float, help="seconds that the host's clock is ahead (odd seeds: 720)")
    arguments = parser.parse_args()
    seed = secrets.randbelow(10**6) if arguments.seed is None else arguments.seed
    plan = Plan(
        seed=seed,
        files=arguments.files,
        seconds=arguments.seconds,
        settle_seconds=arguments.settle,
        clock_ahead=_AHEAD * (seed % 2) if arguments.clock_ahead is None else arguments.clock_ahead,
    )
    return _run(plan, Path(tempfile.mkdtemp(prefix="chaos-")))


def _run(plan: Plan, folder: Path) -> int:
    print(f"seed {plan.seed}, state and logs in {folder}", flush=True)
    try:
        result = asyncio.run(run(plan, folder))
    except StackError as exc:
        print(exc, f"no run; state and logs were kept in {folder}", sep="\n", file=sys.stderr)
        return 2
    print("", *report.lines(result), sep="\n")
    if result.is_good:
        shutil.rmtree(folder, ignore_errors=True)
        return 0
    print(f"\nstate and logs were kept in {folder}; again: make chaos SEED={plan.seed}")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
