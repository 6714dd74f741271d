"""Tables on terminals of any width."""

import io
from datetime import UTC, datetime

import pytest
from rich.cells import cell_len
from rich.console import Console

from batch_core.cli.columns import shortened
from batch_core.cli.glance import _node_tables, _pool_table
from batch_core.cli.task_list import table_of
from batch_core.cli.terminal import Entry, Terminal, drawn

ID = "20261130T174744-recipe-txt-aef8d119337f94a7"
LONG_ID = f"20261130T174744-{'a' * 24}-aef8d119337f94a7"
SHORT = "recipe.txt"
LONG = f"letters/2026/11/{'very-' * 40}long.txt"
WHY = "the command ended with exit code 3"
LONG_WHY = "Batch is not asked for it: " + "the pool has no nodes, and its start task failed on every node; " * 3
WIDTHS = (60, 80, 100, 120, 200)


def at(width, *blocks):
    """Return the lines of a terminal of a width."""
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    console.print(drawn(blocks, width))
    return console.file.getvalue().splitlines()


def listed(width, file, why, identity=LONG_ID):
    rows = [["output_lost", "59 min", identity, file, why], ["queued", "3 s", identity, SHORT, ""]]
    return at(width, table_of(rows))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("file", [SHORT, LONG, "\N{CJK UNIFIED IDEOGRAPH-6587}" * 90])
@pytest.mark.parametrize("why", [WHY, LONG_WHY])
def test_a_list_fits_every_terminal_and_keeps_state_age_file_and_why(width, file, why):
    head, row, _ = lines = listed(width, file, why)
    assert max(map(cell_len, lines)) <= width
    assert head.split()[:2] == ["STATE", "AGE"]
    assert head.split()[-2:] == ["FILE", "WHY"]
    assert row.startswith("output_lost  59 min  ")
    # Whole, or not at all.
    assert (LONG_ID in row) == ("TASK" in head)
    assert why[:15] in row
    assert file[:3] in row
    assert file[-2:] in row


@pytest.mark.parametrize(("width", "file", "is_shown"), [(60, SHORT, False), (80, SHORT, False), (120, SHORT, True)])
def test_the_id_gives_way_first(width, file, is_shown):
    head, row, _ = listed(width, file, WHY, ID)
    assert (("TASK" in head), ID in row) == (is_shown, is_shown)
    assert file in row
    # Where there is room for nothing else, the reason is cut at its end.
    assert row.endswith(WHY if width != 60 else row[-8:])


def test_at_200_columns_everything_usual_is_whole():
    row = listed(200, "letters/2026/11/recipe.txt", WHY)[1]
    assert all(text in row for text in (LONG_ID, "letters/2026/11/recipe.txt", WHY))


@pytest.mark.parametrize(
    ("text", "width", "in_middle", "shown"),
    [
        ("abcdefghij", 10, True, "abcdefghij"),
        ("abcdefghij", 7, True, "abc\N{HORIZONTAL ELLIPSIS}hij"),
        ("abcdefghij", 7, False, "abcdef\N{HORIZONTAL ELLIPSIS}"),
        ("abcdefghij", 1, True, "\N{HORIZONTAL ELLIPSIS}"),
        ("abcdefghij", 0, True, ""),
    ],
)
def test_text_is_cut_at_its_end_or_in_its_middle(text, width, in_middle, shown):
    assert shortened(text, width, in_middle=in_middle) == shown


@pytest.mark.parametrize("width", WIDTHS)
def test_pools_and_nodes_fit_every_terminal(width):
    node = {"state": "running", "since": datetime.now(UTC), "is_dedicated": True, "is_open": False, "tasks": 2}
    nodes = [node | {"id": "tvmps_" + "0" * 64 + "_d"}]
    pool = {"id": "p" * 64, "state": "active", "allocation_state": "resizing", "nodes": 2, "target": 10}
    pool |= {"scale": {"min": 0, "max": 10}, "slots_per_node": 4, "running": 3, "node_hours_today": 123.4}
    lines = at(width, _pool_table({"pools": [pool], "today": {}}), *_node_tables([pool | {"node_list": nodes}]))
    assert max(map(len, lines)) <= width
    assert all(text in "\n".join(lines) for text in ("2 of 10 (0 to 10)", "dedicated, takes no tasks", "running"))


def test_what_is_too_long_for_a_line_goes_on_below_between_words_and_beside_what_it_is_about():
    lines = at(60, Entry(about="oldest", text=LONG_WHY))
    assert lines[0].startswith("oldest      Batch is not asked")
    assert all(line.startswith(" " * 12) for line in lines[1:])
    assert " ".join(line.strip() for line in lines).split()[1:] == LONG_WHY.split()
    assert Entry(about="oldest", text="a\nb").lines() == ["oldest      a\\nb"]


class Screen(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("no_color", ["", "1"])
def test_no_color_means_colours_alone_and_a_column_without_room_is_named(monkeypatch, no_color):
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm-256color")
    out, err = Screen(), io.StringIO()
    Terminal(_out=out, _err=err).show(table_of([["failed", "3 s", LONG_ID, LONG, WHY]]))
    assert ("\x1b[" in out.getvalue()) == (not no_color)
    assert (WHY in out.getvalue(), LONG_ID in out.getvalue()) == (True, False)
    assert err.getvalue() == "there is no room for TASK: a wider terminal shows it, as does --json\n"
