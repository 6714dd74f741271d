import shlex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_emulator.execution.command_line import split_command_line


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("""/bin/bash -c 'cat "$INPUT_FILE"'""", ["/bin/bash", "-c", 'cat "$INPUT_FILE"']),
        ('echo "a b" c', ["echo", "a b", "c"]),
        ('echo "say \\"hi\\""', ["echo", 'say "hi"']),
        ("echo $HOME * ; ls > x", ["echo", "$HOME", "*", ";", "ls", ">", "x"]),
        ("echo ''", ["echo", ""]),
        ("  a\tb\n", ["a", "b"]),
        ("echo # no comment", ["echo", "#", "no", "comment"]),
    ],
)
def test_quotes_group_and_nothing_else_is_special(line, words):
    assert split_command_line(line) == words


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(st.characters(exclude_characters="\0")), min_size=1))
def test_quoted_words_come_back_as_they_were(words):
    assert split_command_line(shlex.join(words)) == words


@pytest.mark.parametrize("line", ["", "   ", "echo 'a", 'echo "a', "echo \\"])
def test_a_line_without_program_or_with_an_open_quote_is_refused(line):
    with pytest.raises(ValueError, match=r"\w"):
        split_command_line(line)
