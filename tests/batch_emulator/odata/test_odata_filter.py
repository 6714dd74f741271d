"""Filters are evaluated twice: by SQL, and by these few lines of Python; both must agree."""

import operator
import re
import sqlite3
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_emulator.odata.filter import MAX_DEPTH, Combination, Comparison, FilterError, Operator, parse_filter
from batch_emulator.odata.sql import (
    boolean_property,
    compile_filter,
    enum_property,
    integer_property,
    text_property,
    time_property,
)
from batch_emulator.values.timestamps import to_wire

PROPERTIES = {
    "id": text_property("id"),
    "state": enum_property("state", ["active", "completed"]),
    "stateTransitionTime": time_property("state_time"),
    "executionInfo/exitCode": integer_property("exit_code"),
    "enableAutoScale": boolean_property("auto_scale"),
}
COLUMNS = {path: known.column for path, known in PROPERTIES.items()}
PYTHON = {
    Operator.EQ: operator.eq,
    Operator.NE: operator.ne,
    Operator.GT: operator.gt,
    Operator.GE: operator.ge,
    Operator.LT: operator.lt,
    Operator.LE: operator.le,
    Operator.STARTS_WITH: str.startswith,
}
NAMES = ("id", "state", "state_time", "exit_code", "auto_scale")
TABLE = (
    "CREATE TABLE t (no INTEGER, id TEXT COLLATE NOCASE, state TEXT, state_time TEXT, exit_code INTEGER,"
    " auto_scale INTEGER)"
)

ids = st.text(st.sampled_from("abAB_-0'% "), max_size=4)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2026, 1, 3), timezones=st.just(UTC))
rows = st.fixed_dictionaries(
    {
        "id": ids,
        "state": st.sampled_from(["active", "completed"]),
        "state_time": moments.map(to_wire),
        "exit_code": st.none() | st.integers(-2, 2),
        "auto_scale": st.booleans().map(int),
    }
)


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def comparison(path, operators, literals):
    return st.builds("{} {} {}".format, st.just(path), st.sampled_from(operators), literals)


ORDER = ["eq", "ne", "gt", "ge", "lt", "le"]
leaves = st.one_of(
    comparison("id", ORDER, ids.map(quoted)),
    comparison("state", ["eq", "ne"], st.sampled_from(["'active'", "'Completed'"])),
    comparison("stateTransitionTime", ORDER, moments.map(lambda m: f"DateTime'{m.isoformat()}'")),
    comparison("executionInfo/exitCode", ORDER, st.integers(-2, 2).map(str)),
    comparison("enableAutoScale", ["eq", "ne"], st.sampled_from(["true", "false"])),
    ids.map(lambda text: f"startswith(id, {quoted(text)})"),
)
filters = st.recursive(
    leaves,
    lambda inner: st.builds(
        "{} {} {}".format,
        inner.map(lambda text: f"({text})") | inner,
        st.sampled_from(["and", "or"]),
        inner.map(lambda text: f"({text})") | inner,
    ),
    max_leaves=8,
)


def holds(tree, row):
    if isinstance(tree, Combination):
        return (all if tree.word == "and" else any)(holds(term, row) for term in tree.terms)
    value = row[COLUMNS[tree.path]]
    if value is None:
        return False
    literal = to_wire(tree.value) if isinstance(tree.value, datetime) else tree.value
    if isinstance(value, str) and isinstance(literal, str):
        value, literal = value.lower(), literal.lower()
    return PYTHON[tree.operator](value, literal)


@settings(deadline=None, max_examples=60)
@given(filters, st.lists(rows, max_size=8))
def test_sql_finds_the_rows_that_python_finds(source, table):
    tree = parse_filter(source)
    condition, parameters = compile_filter(tree, PROPERTIES)
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute(TABLE)
        for number, row in enumerate(table):
            connection.execute("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)", (number, *(row[name] for name in NAMES)))
        found = connection.execute(f"SELECT no FROM t WHERE {condition}", parameters)
        assert {number for (number,) in found} == {number for number, row in enumerate(table) if holds(tree, row)}
    finally:
        connection.close()


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_cleanly(source):
    # Any other error than this would end the test.
    with suppress(FilterError):
        assert compile_filter(parse_filter(source), PROPERTIES) is not None


@pytest.mark.parametrize("text", ["2011-05-08T08:49:37Z", "Sun, 08 May 2011 08:49:37 GMT", "2011-05-08T10:49:37+02:00"])
def test_a_time_comes_in_either_documented_format(text):
    tree = parse_filter(f"stateTransitionTime gt DateTime'{text}'")
    moment = datetime(2011, 5, 8, 8, 49, 37, tzinfo=UTC)
    assert tree == Comparison(path="stateTransitionTime", operator=Operator.GT, value=moment)


def test_and_binds_tighter_than_or():
    tree = parse_filter("id eq 'a' or id eq 'b' and id eq 'c'")
    a, b, c = (Comparison(path="id", operator=Operator.EQ, value=value) for value in "abc")
    both = Combination(word="and", terms=(b, c))
    assert tree == Combination(word="or", terms=(a, both))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("id", "operator"),
        ("id eq", "a literal is expected"),
        ("id eq a", "a literal is expected"),
        ("id like 'a'", "'like' is not an operator"),
        ("id eq 'a", "Syntax error"),
        ("(id eq 'a'", ") is expected"),
        ("id eq 'a' id eq 'b'", "end is expected"),
        ("startswith(id)", ", is expected"),
        ("startswith(state, 'a')", "does not support startswith"),
        ("state gt 'active'", "does not support gt"),
        ("state eq 'deleted'", "is not a value of state"),
        ("id eq 1", "compared with a string"),
        ("stateTransitionTime ge '2026-01-01'", "compared with a DateTime"),
        ("stateTransitionTime ge DateTime'soon'", "not a date and time"),
        ("executionInfo/exitCode eq 99999999999999999999", "Syntax error"),
        ("ID eq 'a'", "ID cannot be filtered on"),
        ("id eq 'a'; DROP TABLE tasks", "Syntax error"),
        ("(" * (MAX_DEPTH + 1) + "id eq 'a'" + ")" * (MAX_DEPTH + 1), "nested deeper"),
        ("id eq '" + "a" * 20_000 + "'", "longer than"),
    ],
)
def test_a_bad_filter_says_what_is_wrong(source, said):
    with pytest.raises(FilterError, match=f"(?i){re.escape(said)}"):
        compile_filter(parse_filter(source), PROPERTIES)
