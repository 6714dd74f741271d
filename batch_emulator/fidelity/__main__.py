"""Print what the emulator does, and how it is known: `python -m batch_emulator.fidelity`."""

import argparse
import signal
import sys
from collections.abc import Sequence

from batch_emulator.fidelity.document import document
from batch_emulator.fidelity.facts import Facts, Kind, Known, facts
from batch_emulator.fidelity.tables import count_claims, count_operations, laid_out, lines_of


def main(arguments: Sequence[str] | None = None) -> int:
    """Print counts, claims or the document; return the exit code."""
    known = facts()
    given = _parser(known).parse_args(arguments)
    if given.document:
        print(document(known), end="")
    elif given.operations:
        print("\n".join(f"{each.name:<45} {each.kind}{each.how and ': ' + each.how}" for each in known.operations))
    elif given.area or given.operation or given.known:
        print(lines_of(known.about(area=given.area, operation=given.operation, known=given.known)))
    else:
        print(f"{laid_out(count_claims(known))}\n\nOperations:\n{laid_out(count_operations(known))}")
    return 0


def _parser(known: Facts) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m batch_emulator.fidelity",
        description="What the emulator does, and how it is known that Azure Batch does so: counts, or the claims.",
    )
    parser.add_argument("--area", choices=known.areas, help="print the claims of an area")
    names = [each.name for each in known.operations if each.kind is not Kind.REFUSED]
    parser.add_argument("--operation", choices=names, metavar="NAME", help="print the claims about its answers")
    parser.add_argument("--known", choices=[*Known], help="print the claims that are known in this way")
    parser.add_argument("--operations", action="store_true", help="print what each operation is worth")
    parser.add_argument("--document", action="store_true", help="print docs/fidelity.md of the repository")
    return parser


if __name__ == "__main__":
    # Who reads may have enough: `| head` is no mistake.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main())
