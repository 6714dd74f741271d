"""Claims and operations, counted and laid out."""

from collections import Counter
from collections.abc import Iterable, Sequence

from batch_emulator.fidelity.facts import Claim, Facts, Kind, Known

Row = tuple[str, ...]


def count_claims(facts: Facts) -> list[Row]:
    """Return how many claims of each area are known in which way: a head, a row for each area, and sums."""
    counts = Counter((claim.area, claim.known) for claim in facts.claims)
    rows = [_row(title, [counts[area, known] for known in Known]) for area, title in facts.areas.items()]
    sums = Counter(claim.known for claim in facts.claims)
    return [("", *Known, "all"), *rows, _row("all", [sums[known] for known in Known])]


def count_operations(facts: Facts) -> list[Row]:
    """Return how many operations are real, simulated and refused, under a head."""
    return [tuple(Kind), tuple(str(len(facts.operations_of(kind))) for kind in Kind)]


def laid_out(rows: Sequence[Row]) -> str:
    """Return rows as text in columns, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if not place and not cell.isdigit() else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def as_markdown(rows: Sequence[Row]) -> str:
    head, *others = rows
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, tuple("--" for _ in head), *others))


def lines_of(claims: Iterable[Claim]) -> str:
    """Return each claim with its source, for a terminal."""
    return "\n".join(f"{claim.known:<13}  {claim.does}\n{_below(claim)}".rstrip() for claim in claims)


def _below(claim: Claim) -> str:
    sources = (", ".join(claim.witnesses), claim.url, claim.at, claim.test)
    return "\n".join(f"{'':<13}  {source}" for source in sources if source)


def _row(title: str, counts: Sequence[int]) -> Row:
    return (title, *map(str, counts), str(sum(counts)))
