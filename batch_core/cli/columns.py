"""Tables on a terminal of any width: what is cut, what is left out, and what never is.

Widths are those of cells of the terminal, of which some letters take two.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len, set_cell_size

GAP: Final = "  "
_CUT: Final = "\N{HORIZONTAL ELLIPSIS}"
#: To fewer cells nothing is cut in its middle, or at its end, while another column can be left out.
_READABLE_ENDS: Final = 24
_READABLE: Final = 36


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of a view, and what becomes of its columns, by their names, on a terminal that is too narrow.

    `whole` ones are never cut; `whole_or_left_out` ones are of no use in part, and give way first; of `middle` ones,
    beginning and end say most; of the others the end is cut.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    whole: frozenset[str] = frozenset()
    whole_or_left_out: frozenset[str] = frozenset()
    middle: frozenset[str] = frozenset()

    def fitted(self, width: int) -> "Table":
        """Return the table as it is shown at a width: all its cells, and columns, fit there."""
        widths = _natural(self)
        if not self._has_room(widths, width):
            widths = {name: wide for name, wide in widths.items() if name not in self.whole_or_left_out}
        given = _shared(widths, self, width)
        kept = [number for number, name in enumerate(self.columns) if name in given]
        columns = [self.columns[number] for number in kept]
        rows = [[self._cut(self.columns[number], row[number], given) for number in kept] for row in self.rows]
        return Table(columns=columns, rows=rows)

    def _has_room(self, widths: Mapping[str, int], width: int) -> bool:
        uncut = self.whole | self.whole_or_left_out
        least = {name: _READABLE_ENDS if name in self.middle else _READABLE for name in widths.keys() - uncut}
        needed = (min(wide, least.get(name, wide)) for name, wide in widths.items())
        return sum(needed) + len(GAP) * (len(widths) - 1) <= width

    def _cut(self, name: str, cell: str, given: Mapping[str, int]) -> str:
        return shortened(cell, given[name], in_middle=name in self.middle)


def lines_of(table: Table) -> list[list[str]]:
    """Return the cells of a table's lines, the names of the columns first, each with the spaces after it."""
    widths = list(_natural(table).values())
    lines: list[list[str]] = []
    for row in (table.columns, *table.rows):
        padded = [cell + " " * (width - cell_len(cell)) + GAP for cell, width in zip(row, widths, strict=True)]
        # No line ends with spaces: a terminal that is as narrow as the text would go on below.
        while padded and not padded[-1].strip():
            padded.pop()
        lines.append([*padded[:-1], *(last.rstrip() for last in padded[-1:])])
    return lines


def shortened(text: str, width: int, *, in_middle: bool) -> str:
    """Return the text cut to a number of cells, at its end or in its middle."""
    if cell_len(text) <= width:
        return text
    if width <= 1:
        return _CUT[:width]
    kept = width - 1
    end = kept // 2 if in_middle else 0
    tail = text[len(text) - end :] if end else ""
    while cell_len(tail) > end:
        tail = tail[1:]
    return set_cell_size(text, kept - cell_len(tail)) + _CUT + tail


def _natural(table: Table) -> dict[str, int]:
    return {
        name: max(map(cell_len, (name, *(row[number] for row in table.rows))))
        for number, name in enumerate(table.columns)
    }


def _shared(widths: Mapping[str, int], table: Table, width: int) -> dict[str, int]:
    """Give each column its width: who needs less than its share of what is left takes it, the others share the rest.

    Half as much is a share of a column of which both ends are seen.
    """
    uncut = table.whole | table.whole_or_left_out
    given = {name: wide for name, wide in widths.items() if name in uncut}
    left = width - sum(given.values()) - len(GAP) * (len(widths) - 1)
    weights = {name: 1 if name in table.middle else 2 for name in widths if name not in uncut}
    waiting = sorted(weights, key=lambda name: widths[name] / weights[name])
    for number, name in enumerate(waiting):
        share = left * weights[name] // sum(weights[one] for one in waiting[number:])
        given[name] = max(min(widths[name], share), 1)
        left -= given[name]
    return given
