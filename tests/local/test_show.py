"""How a task's output is shown on a terminal."""

import pytest

from local.show import printed


@pytest.mark.parametrize(
    ("beginning", "size", "text"),
    [
        (b"", 0, ""),
        ("Gr\u00fc\u00dfe\n\ttab\n".encode(), 13, "Gr\u00fc\u00dfe\n\ttab"),
        (b"\x1b]0;title\x07red\r\n", 15, "\\x1b]0;title\\x07red\\r"),
        (b"\x89PNG\r\n\0\0", 8, "(not text)"),
        (b"abc", 10, "abc\n(cut: 3 of 10 bytes)"),
        (b"\xff", 1, "\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_an_output_gives_a_terminal_no_orders(beginning, size, text):
    assert printed(beginning, size) == text
