import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_core.config.task_command import command_problem, command_warnings


@pytest.mark.parametrize(
    "command",
    [
        "/bin/bash -c 'cat \"$INPUT_FILE\" | wc -l > out; echo done'",
        "/usr/bin/env bash -c 'cat $INPUT_FILE'",
        "timeout 60 sh -c 'a && b'",
        "bash run.sh > out",  # bash gets > as an argument: odd, and it has a shell
        "python3 count.py",
        "find . -name '*.txt' -exec wc {} ';'",
        "find . -exec wc {} \\;",
        "awk -F '|' '{print $1}' x",
        "awk '{print $NF; n++}' x",
        "grep 'a > b' x",
        "curl https://example.com/?a=1&b=2",
        'cmd /c "echo it\'s %INPUT_FILE% > out"',
        'powershell -Command "Get-Content \'x"',
        "C:\\Windows\\System32\\cmd.exe /c dir",
        "",
    ],
)
def test_commands_that_may_work_are_taken(command):
    assert command_problem(command) is None


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("cat 'x", "not closed"),
        ('bash -c "cat', "not closed"),
        ("cat x\\", "backslash"),
        ("cat x | wc", "'|'"),
        ("cat x || true", "'||'"),
        ("cat x && wc", "'&&'"),
        ("cat x &", "'&'"),
        ("cat x > out", "'>'"),
        ("cat x >out", "'>out'"),
        ("cat x 2> err", "'2>'"),
        ("cat x 2>&1", "'2>&1'"),
        ("cat x >> out", "'>>'"),
        ("wc < x", "'<'"),
        ("cat x ; wc x", "';'"),
        ("cat x; wc x", "'x;'"),
    ],
)
def test_what_only_a_shell_reads_is_refused_without_one(command, words):
    assert words in str(command_problem(command))


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("wc $INPUT_FILE", ["$INPUT_FILE"]),
        (
            "wc \"${INPUT_FILE}\" '$AZ_BATCH_TASK_DIR' $INPUT_FILE",
            ["${INPUT_FILE}", "$AZ_BATCH_TASK_DIR", "$INPUT_FILE"],
        ),
        ("wc %INPUT_FILE%", ["%INPUT_FILE%"]),
        ("/bin/sh -c 'wc $INPUT_FILE'", []),
        ("cmd /c type %INPUT_FILE%", []),
        ("grep 'a$' x", []),
        ("awk '{print $1}' x", []),
        ("cat '$INPUT_FILE", []),
    ],
)
def test_a_variable_that_nothing_expands_is_warned_of(command, names):
    warnings = command_warnings(command)
    assert [warning.split()[2] for warning in warnings] == names
    assert all("without a shell" in warning for warning in warnings)


@given(st.text())
def test_any_text_is_judged(command):
    assert isinstance(command_problem(command), str | None)
    assert isinstance(command_warnings(command), tuple)


@given(st.lists(st.text(), min_size=1))
def test_a_command_whose_words_are_quoted_is_taken(words):
    assert command_problem(shlex.join(words)) is None
