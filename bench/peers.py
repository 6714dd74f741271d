"""Measure the app beside two other ways of doing the same job, with services that are near and some that are far.

    .venv/bin/python bench/peers.py [--files 1000] [--rtt 2 20] [--mode copy upload] [--rounds 1]
                                    [--nodes 4] [--slots 8] [--peers app host drop floor careful quickstart]
    .venv/bin/python bench/peers.py --idle-files 10      how long one file takes that is dropped when nothing goes on
    .venv/bin/python bench/peers.py --backlog 500        whether files are submitted in the order of their drop

The job: files of a few bytes, one command each that prints its file. The quickstart is Microsoft's (`quickstart.py`),
the floor a bare client that makes only the calls that the job needs (`floor.py`), the app all of it: host, trigger,
table, timers. The careful one is a floor that looks at each file and keeps records, as the app does. Two do only a
part: the host alone calls a function that does nothing (`host_alone/`), and drop is the upload of the files. Each has a
stack of its own, whose services are behind a relay (`delay_relay.py`) that makes a round trip as long as asked for.
Peers take turns, and the median of the rounds is printed.
"""

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

CHECKOUT: Final = Path(__file__).parents[1]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "bench")]

from backlog import backlog  # noqa: E402 - a script finds the project's packages only now
from call_counts import of_the_app, print_calls  # noqa: E402
from idle_files import idle_files  # noqa: E402
from milestones import print_milestones, together, typical  # noqa: E402
from peer_runs import PEERS, Run, run_peer  # noqa: E402
from relayed_stack import Conditions, Mode  # noqa: E402

PROCESSES: Final = ("client", "host", "Azurite", "emulator", "tasks", "relay")

#: The runs of each peer, one a round.
type Runs = Mapping[str, Sequence[Run]]


async def compare(conditions: Conditions, peers: Sequence[str], rounds: int) -> Runs:
    """Have the peers do the job in turns, another first in each round."""
    runs: dict[str, list[Run]] = {name: [] for name in peers}
    for number in range(rounds):
        first = number % len(peers)
        for name in [*peers[first:], *peers[:first]]:
            load = os.getloadavg()[0]
            runs[name].append(await run_peer(name, conditions))
            done = runs[name][-1]
            around = f"load before: {load:.1f}, round trip: {done.round_trip_ms:.1f} ms"
            print(f"  {time.strftime('%H:%M:%S')} {name}: {done.seconds:.1f} s ({around})", flush=True)
    return runs


def show(conditions: Conditions, runs: Runs) -> None:
    show_rates(conditions, runs)
    show_processor_time(conditions, runs)
    if "app" in runs:
        print()
        print_milestones(together([run.milestones for run in runs["app"]]))
        if (calls := runs["app"][-1].calls) is not None:
            print()
            print_calls(calls, conditions.files)


def show_rates(conditions: Conditions, runs: Runs) -> None:
    calls = f"{'calls a file':>14}{'host calls':>12}"
    print(f"\n{'':<12}{'files/s':>9}{'of floor':>10}{'of quickstart':>15}{'MiB':>6}{calls}")
    for name, of_peer in runs.items():
        rate = statistics.median(conditions.files / run.seconds for run in of_peer)
        memory = max(run.peak_bytes for run in of_peer) / 2**20
        ratios = f"{_ratio(runs, name, 'floor'):>10}{_ratio(runs, name, 'quickstart'):>15}"
        print(f"{name:<12}{rate:>9.1f}{ratios}{memory:>6.0f}{_calls(of_peer[-1], conditions.files)}")


def _ratio(runs: Runs, name: str, other: str) -> str:
    """Return how many times as many files a second a peer did as another one in the same round: the median."""
    if other not in runs:
        return ""
    return f"{statistics.median(b.seconds / a.seconds for a, b in zip(runs[name], runs[other], strict=True)):.2f}"


def _calls(run: Run, files: int) -> str:
    if run.calls is None:
        return ""
    own = of_the_app(run.calls)
    return f"{own / files:>14.2f}{(run.calls.total() - own) / files:>12.2f}"


def show_processor_time(conditions: Conditions, runs: Runs) -> None:
    print(f"\n{'ms a file of':<12}" + "".join(f"{name:>10}" for name in (*PROCESSES, "all")))
    sums = {}
    for name, of_peer in runs.items():
        spent = [
            statistics.median(1000 * run.processor.get(process, 0.0) / conditions.files for run in of_peer)
            for process in PROCESSES
        ]
        sums[name] = sum(spent)
        print(f"{name:<12}" + "".join(f"{one:>10.1f}" for one in (*spent, sums[name])))
    for name in ("floor", "careful"):
        if {"floor", name, "host", "drop"} <= sums.keys():
            both = sums[name] + sums["host"] - sums["drop"]
            ratio = sums["floor"] / both
            print(f"where processors are the limit, {name} and the host's own calls leave {ratio:.2f} of the floor")


async def show_idle_files(conditions: Conditions) -> None:
    seconds, found = await idle_files(conditions)
    print(f"from the drop to the output: {typical(seconds):.2f} s, at most {max(seconds):.2f} s\n")
    print_milestones(found)


async def show_backlog(conditions: Conditions) -> None:
    print(f"{'names':<20}{'files':>7}{'collections':>13}{'waiting':>9}{'before last':>13}{'overtaken':>11}{'by':>6}")
    for by_name in (True, False):
        found = await backlog(conditions, by_name=by_name)
        row = f"{'as they are dropped' if by_name else 'in any order':<20}{found.files:>7}{found.collections:>13}"
        print(f"{row}{found.waiting:>9}{found.before_last:>13}{found.overtaken:>11}{found.most:>6}", flush=True)


async def measure(conditions: Conditions, arguments: argparse.Namespace) -> None:
    if arguments.idle_files:
        await show_idle_files(replace(conditions, files=arguments.idle_files))
    if arguments.backlog:
        await show_backlog(replace(conditions, files=arguments.backlog))
    if not arguments.idle_files and not arguments.backlog:
        show(conditions, await compare(conditions, arguments.peers, arguments.rounds))


async def run(arguments: argparse.Namespace) -> None:
    for round_trip in arguments.rtt:
        for mode in arguments.mode:
            print(f"\n== {mode}, round trips of {round_trip:g} ms")
            conditions = Conditions(
                files=arguments.files,
                round_trip_ms=round_trip,
                mode=mode,
                nodes=arguments.nodes,
                slots=arguments.slots,
                quick_azurite=arguments.quick_azurite,
            )
            await measure(conditions, arguments)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--rtt", type=float, nargs="+", default=[2, 20], metavar="MS")
    parser.add_argument("--mode", type=Mode, nargs="+", default=list(Mode), choices=list(Mode))
    parser.add_argument("--peers", nargs="+", default=list(PEERS), choices=list(PEERS))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--idle-files", type=int, metavar="N", help="measure so many single files instead")
    parser.add_argument("--backlog", type=int, metavar="N", help="measure the order in a backlog of so many instead")
    parser.add_argument("--quick-azurite", action="store_true", help="in memory, by its indexes: for many files")
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    asyncio.run(run(arguments))


if __name__ == "__main__":
    main()
