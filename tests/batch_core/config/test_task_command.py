import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_core.config.task_command import command_problem, command_warnings, unexpanded, wrong_variable


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
        'awk "{print $NF}" x',
        "envsubst '$INPUT_FILE ${HOME}'",
        'echo \\$INPUT_FILE "\\${INPUT_FILE}"',
        "perl -ne 'print $ENV{INPUT_FILE}'",
        'node -e "`${process.env.INPUT_FILE}`"',
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
        ("wc $INPUT_FILE", "holds $INPUT_FILE, which nothing expands, as Batch starts no shell: write /bin/bash -c"),
        ("wc --files=$INPUT_FILE.txt", "holds $INPUT_FILE,"),
        ('wc "a/${INPUT_FILE}"', "holds ${INPUT_FILE},"),
        ("wc ${INPUT_FILE%.*}", "holds ${INPUT_FILE},"),
        ("wc 'a'$AZ_BATCH_TASK_WORKING_DIR'b'", "holds $AZ_BATCH_TASK_WORKING_DIR,"),
        ('wc "it\'s $INPUT_METADATA_SIZE"', "holds $INPUT_METADATA_SIZE,"),
        ("wc ${HOME}", "holds ${HOME},"),
    ],
)
def test_what_only_a_shell_reads_is_refused_without_one(command, words):
    assert words in str(command_problem(command))


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("wc $HOME", ["$HOME"]),
        ("wc '$INPUT_FILE' '${AZ_BATCH_TASK_DIR}' $HOME", ["$INPUT_FILE", "${AZ_BATCH_TASK_DIR}", "$HOME"]),
        ("wc $INPUT_FILE", []),
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


def test_a_variable_of_the_routes_own_is_expanded_by_nothing_either():
    assert unexpanded("wc $SIZE", {"SIZE": "1"}).startswith("holds $SIZE, which nothing expands")
    assert unexpanded("wc $SIZE", {"size": "1"}) is None
    assert unexpanded("sh -c 'wc $SIZE'", {"SIZE": "1"}) is None


@pytest.mark.parametrize(
    ("command", "is_folder", "problem"),
    [
        (
            "bash -c 'wc $INPUT_FILE'",
            True,
            'uses INPUT_FILE, which a route with inputs = "folder" does not set: its vari',
        ),
        ("python3 -c 'os.environ[\"INPUT_FILE\"]'", True, "uses INPUT_FILE"),
        (
            "cmd /c type %INPUT_FOLDER%",
            False,
            'uses INPUT_FOLDER, which only a route with inputs = "folder" sets: the va',
        ),
        ("bash -c 'INPUT_FILE=$(ls $INPUT_FOLDER | head -n 1); wc $INPUT_FILE'", True, None),
        ("bash -c 'wc ${INPUT_FILE:-$INPUT_FOLDER/a}'", True, None),
        ("bash -c 'wc $INPUT_FOLDER/$MY_INPUT_FILE'", True, None),
        ("bash -c 'wc $INPUT_FILE'", False, None),
        ("", True, None),
    ],
)
def test_the_variable_of_the_other_kind_of_input_is_refused(command, is_folder, problem):
    found = wrong_variable(command, is_folder=is_folder)
    assert found is None if problem is None else str(found).startswith(problem)


@given(st.text())
def test_any_text_is_judged(command):
    assert isinstance(command_problem(command), str | None)
    assert isinstance(command_warnings(command), tuple)


@given(st.lists(st.text(), min_size=1))
def test_a_command_whose_words_are_quoted_is_taken(words):
    assert command_problem(shlex.join(words)) is None
