"""The language of autoscale formulas: what each construct means, and that nothing breaks it."""

import operator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_emulator.autoscale.checking import check
from batch_emulator.autoscale.errors import FormulaError
from batch_emulator.autoscale.evaluator import Circumstances, evaluate
from batch_emulator.autoscale.history import PERIOD, History
from batch_emulator.autoscale.symbols import METRICS

NOW = datetime(2026, 11, 23, 9, 30, 15, tzinfo=UTC)  # a Monday


def circumstances(*active, dedicated=2, low_priority=1):
    """Return circumstances in which `$ActiveTasks` was sampled so, the last value being now."""
    history = History()
    for number, value in enumerate(active[:-1]):
        time = NOW - PERIOD * (len(active) - 1 - number)
        history.add(time, {**dict.fromkeys(METRICS, 0.0), "$ActiveTasks": float(value)})
    newest = {**dict.fromkeys(METRICS, 0.0), "$ActiveTasks": float(active[-1] if active else 0)}
    newest["$CurrentDedicatedNodes"] = 4.0
    return Circumstances(now=NOW, dedicated=dedicated, low_priority=low_priority, metrics=history.metrics(NOW, newest))


def value(expression, *active):
    """Return what an expression is shown as, or the error without its place."""
    result = evaluate(f"x={expression}", circumstances(*active))
    if result.error:
        return result.error.partition(": ")[2]
    return result.results.partition(";x=")[2]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("10 - 4 - 3", "3"),
        ("7 / 2", "3.5"),
        ("-2 * -3", "6"),
        ("1.5e1", "15"),
        (".5", "0.5"),
        ("!0", "1"),
        ("!5", "0"),
        ("1 < 2 == 1", "1"),
        ("1 > 2 || 2 >= 2 && 3 != 3", "0"),
        ("0 || 2", "1"),
        ("0 ? 1 : 0 ? 2 : 3", "3"),
        ("1 ? 2 : 1 ? 3 : 4", "2"),
        ('"a" < "b"', "1"),
        ("'x'", "x"),
        ("[1, 2, 3] * 2", "[2,4,6]"),
        ("[1, 2] + [3, 4]", "[4,6]"),
        ("1 / 0 > 5", "1"),
        ("2 * TimeInterval_Minute == 120 * TimeInterval_Second", "1"),
        ("TimeInterval_Hour / 4 == 15 * TimeInterval_Minute", "1"),
        ("TimeInterval_Second == 10000000 * TimeInterval_100ns", "1"),
        ("TimeInterval_Year > 52 * TimeInterval_Week", "1"),
        ("-TimeInterval_Second < TimeInterval_Zero", "1"),
        ("time().weekday", "1"),
        ("time().hour * 60 + time().minute", "570"),
        ("(time() + TimeInterval_Day).day", "24"),
        ("time('2026-11-22').weekday", "0"),
        ("time('Sun, 06 Nov 1994 08:49:37 GMT').year", "1994"),
        ("time('2026').month", "1"),
        ("time() - time('2026-11-23T09:00:00Z') > 30 * TimeInterval_Minute", "1"),
        ("time('2026-11-23T10:00:00+01:00')", "2026-11-23T09:00:00.000Z"),
    ],
)
def test_operators_and_types(expression, expected):
    assert value(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("avg(1, 2, [3, 6])", "3"),
        ("len([1, 2], 3)", "3"),
        ("lg(8)", "3"),
        ("lg(vec(8))", "[3]"),
        ("ln(1)", "0"),
        ("log(1000, 10)", "[3,1]"),
        ("max([1, 5], 3)", "5"),
        ("min(4, [2, 9])", "2"),
        ("norm(3, 4)", "5"),
        ("percentile([5, 1, 3, 2, 4], 50)", "3"),
        ("percentile([5, 1], 0)", "1"),
        ("range(4, 9, 6)", "5"),
        ("std(2, 4, 4, 4, 5, 5, 7, 9) > 2.13", "1"),
        ("std(2)", "0"),
        ("sum([1, 2], 3)", "6"),
        ("sum(vec())", "0"),
        ("val([7, 8, 9], 1)", "8"),
        ("ceil(1.2) + floor(1.8) + round(2.5)", "6"),
        ("rand() >= 0 && rand() < 1", "1"),
    ],
)
def test_functions(expression, expected):
    assert value(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("$ActiveTasks.GetSample(2)", "[3,4]"),
        ("$ActiveTasks.GetSample(9)", "[1,2,3,4]"),
        ("$ActiveTasks.GetSample(TimeInterval_Minute)", "[2,3,4]"),
        ("$ActiveTasks.GetSample(30 * TimeInterval_Second, TimeInterval_Minute)", "[2,3]"),
        ("$ActiveTasks.GetSample(TimeInterval_Minute, 30 * TimeInterval_Second)", "[2,3]"),
        ("$ActiveTasks.GetSample(time() + -TimeInterval_Minute, time())", "[2,3,4]"),
        ("len($ActiveTasks.GetSample(TimeInterval_Minute, 100))", "3"),
        ("$ActiveTasks.GetSamplePercent(TimeInterval_Minute)", "100"),
        ("$ActiveTasks.GetSamplePercent(4 * TimeInterval_Minute)", "50"),
        ("$ActiveTasks.GetSamplePercent(2 * TimeInterval_Minute, TimeInterval_Minute)", "100"),
        ("$ActiveTasks.Count()", "4"),
        ("$ActiveTasks.HistoryBeginTime()", "2026-11-23T09:28:45.000Z"),
        ("$ActiveTasks.GetSamplePeriod() == 30 * TimeInterval_Second", "1"),
        ("$ActiveTasks + 1", "5"),
        ("$CurrentDedicatedNodes * 0.5", "2"),
        ("$TargetDedicatedNodes + $TargetLowPriority", "3"),
    ],
)
def test_samples(expression, expected):
    assert value(expression, 1, 2, 3, 4) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("$nothing", "Undefined symbol: $nothing"),
        ("nothing(1)", "Undefined function: nothing"),
        ("$ActiveTasks.Nothing()", "A metric has no method Nothing of 0 arguments"),
        ("time().century", "A timestamp has no member century"),
        ("(1).day", "A double has no member day"),
        ("1 + TimeInterval_Day", "Operator + is not defined for double and timeinterval"),
        ("1 - [1]", "Operator - is not defined for double and doubleVec"),
        ("[1] < [2]", "Operator < is not defined for doubleVec and doubleVec"),
        ("1 < 'a'", "Operator < is not defined for double and string"),
        ("[1] + [1, 2]", "Operator + needs vectors of one length, not 1 and 2"),
        ("!TimeInterval_Day", "Operator ! is not defined for timeinterval"),
        ("'a' ? 1 : 2", "A double is expected as a condition, not string"),
        ("avg()", "The vector has no values"),
        ("val([1], 1)", "The vector has no element 1"),
        ("time('soon')", "'soon' is not a time in W3C-DTF or RFC 1123"),
        ("time() + 1e9 * TimeInterval_Year", "The result is out of range"),
        ("ceil(ln(0))", "-inf"),
        (
            "$ActiveTasks.GetSample(10 * TimeInterval_Minute, 50)",
            "Only 5 percent of the samples of $ActiveTasks are available",
        ),
    ],
)
def test_what_has_no_meaning_is_reported(expression, expected):
    assert value(expression) == expected


@pytest.mark.parametrize(
    ("formula", "error"),
    [
        ("$x", "Line 1, Col 1: Undefined symbol: $x"),
        ("a = 1;\n  b = c;", "Line 2, Col 7: Undefined symbol: c"),
        ("1 +", "Line 1, Col 4: Unexpected end of the formula"),
        ("1 2", "Line 1, Col 3: Unexpected token: 2, expected ;"),
        ("(1", "Line 1, Col 3: Unexpected end of the formula, expected )"),
        ("a = #", "Line 1, Col 5: Unexpected character: #"),
        ("1 = 2", "Line 1, Col 1: Only a variable can be assigned to"),
        ("$ActiveTasks = 1", "Line 1, Col 1: Cannot assign to read-only symbol: $ActiveTasks"),
        ("$NodeDeallocationOption = 1", "Line 1, Col 1: One of requeue"),
        ("$TargetDedicatedNodes = 0/0", "Line 1, Col 1: A finite number is expected for $TargetDedicatedNodes"),
        ("$TargetDedicatedNodes = [1]", "Line 1, Col 1: A finite number is expected for $TargetDedicatedNodes"),
        ("1;" * 101, "Line 1, Col 202: More than 100 statements"),
        ("(" * 60, "Line 1, Col 51: The formula is nested too deeply"),
        ("1" + "+1" * 4000, "Line 1, Col 402: The formula is nested too deeply"),
    ],
)
def test_errors_say_the_place_and_leave_the_targets(formula, error):
    result = evaluate(formula, circumstances())
    assert result.error.startswith(error)
    assert result.results == "$TargetDedicatedNodes=2;$TargetLowPriorityNodes=1;$NodeDeallocationOption=requeue"
    assert (result.dedicated, result.low_priority) == (2, 1)


@pytest.mark.parametrize(
    ("formula", "dedicated", "low_priority"),
    [
        ("$TargetDedicatedNodes = 5", 5, 1),
        ("$TargetDedicated = 5; $TargetLowPriority = 6", 5, 6),
        ("$TargetDedicatedNodes = 5; $TargetDedicated = 7", 5, 1),
        ("$TargetDedicated = 7; $TargetDedicatedNodes = 5", 5, 1),
        ("$TargetDedicatedNodes = 2.9", 2, 1),
        ("$TargetDedicatedNodes = -3", 0, 1),
        ("$TargetDedicatedNodes = 1e9", 1000, 1),
        ("$TargetDedicatedNodes = 3; stop(); $TargetDedicatedNodes = 9", 3, 1),
        ("0 && stop(); $TargetDedicatedNodes = 9", 9, 1),
        ("", 2, 1),
        (" ; // nothing\n /* really\n nothing */ ;", 2, 1),
    ],
)
def test_formulas_set_the_targets(formula, dedicated, low_priority):
    result = evaluate(formula, circumstances())
    assert result.error is None
    assert (result.dedicated, result.low_priority) == (dedicated, low_priority)


def test_results_are_in_the_form_of_the_service():
    formula = "$b = 2; a = [1, 2]; $NodeDeallocationOption = taskcompletion; $TargetDedicatedNodes = $b + 1;"
    assert evaluate(formula, circumstances()).results == (
        "$TargetDedicatedNodes=3;$TargetLowPriorityNodes=1;$NodeDeallocationOption=taskcompletion;$b=2;a=[1,2]"
    )


#: The examples of the documentation, and what they come to while four tasks have been waiting for long.
EXAMPLES = [
    (
        """startingNumberOfVMs = 1;
        maxNumberofVMs = 25;
        pendingTaskSamplePercent = $ActiveTasks.GetSamplePercent(180 * TimeInterval_Second);
        pendingTaskSamples = pendingTaskSamplePercent < 70 ? startingNumberOfVMs :
            avg($ActiveTasks.GetSample(180 * TimeInterval_Second));
        $TargetDedicatedNodes=min(maxNumberofVMs, pendingTaskSamples);
        $NodeDeallocationOption = taskcompletion;""",
        4,
    ),
    (
        """$totalDedicatedNodes =
            (min($CPUPercent.GetSample(TimeInterval_Minute * 10)) > 0.7) ?
            ($CurrentDedicatedNodes * 1.1) : $CurrentDedicatedNodes;
        $totalDedicatedNodes =
            (avg($CPUPercent.GetSample(TimeInterval_Minute * 60)) < 0.2) ?
            ($CurrentDedicatedNodes * 0.9) : $totalDedicatedNodes;
        $TargetDedicatedNodes = min(400, $totalDedicatedNodes)""",
        3,
    ),
    (
        """$curTime = time();
        $workHours = $curTime.hour >= 8 && $curTime.hour < 18;
        $isWeekday = $curTime.weekday >= 1 && $curTime.weekday <= 5;
        $isWorkingWeekdayHour = $workHours && $isWeekday;
        $TargetDedicatedNodes = $isWorkingWeekdayHour ? 20:10;""",
        20,
    ),
    (
        """// Get pending tasks for the past 15 minutes.
        $samples = $ActiveTasks.GetSamplePercent(TimeInterval_Minute * 15);
        $tasks = $samples < 70 ? max(0,$ActiveTasks.GetSample(1)) :
            max( $ActiveTasks.GetSample(1), avg($ActiveTasks.GetSample(TimeInterval_Minute * 15)));
        $targetVMs = $tasks > 0? $tasks:max(0, $TargetDedicatedNodes/2);
        cappedPoolSize = 20;
        $TargetDedicatedNodes = max(0, min($targetVMs, cappedPoolSize));
        $NodeDeallocationOption = taskcompletion;""",
        4,
    ),
]


@pytest.mark.parametrize(("formula", "expected"), EXAMPLES)
def test_the_examples_of_the_documentation_work(formula, expected):
    check(formula)
    result = evaluate(formula, circumstances(*[4] * 40))
    assert (result.error, result.dedicated) == (None, expected)


@pytest.mark.parametrize("formula", ["$x", "f(1)", "1 +", "$CPUPercent = 1", "(" * 100, "1" + "+1" * 4000])
def test_what_can_never_be_right_is_refused_beforehand(formula):
    with pytest.raises(FormulaError):
        check(formula)


_WORDS = st.sampled_from(
    [
        *METRICS,
        *("$TargetDedicatedNodes", "$NodeDeallocationOption", "x", "$y", "time", "avg", "val", "vec", "stop"),
        *("TimeInterval_Minute", "GetSample", "GetSamplePercent", "Count", "weekday", "taskcompletion"),
        *("1", "0.5", "1e308", "'a'", "=", "==", "!", "-", "+", "*", "/", "<", ">=", "&&", "||", "?", ":", ";", ","),
        *(".", "(", ")", "[", "]"),
    ]
)


@given(st.one_of(st.text(max_size=60), st.lists(_WORDS, max_size=25).map(" ".join)))
def test_any_text_has_a_result_and_the_check_agrees_with_the_evaluation(formula):
    result = evaluate(formula, circumstances(1, 2, 3))
    assert 0 <= result.dedicated <= 1000
    try:
        check(formula)
    except FormulaError:
        return
    assert "Undefined symbol" not in (result.error or "")


_NUMBERS = st.floats(min_value=-1e6, max_value=1e6, allow_nan=False).map(lambda number: round(number, 3))


_PYTHON = {"+": operator.add, "-": operator.sub, "*": operator.mul}


def _grown(children):
    """Return expressions of expressions, each with its value by Python's own arithmetic."""
    return st.one_of(
        st.tuples(children, st.sampled_from(sorted(_PYTHON)), children).map(
            lambda parts: (f"({parts[0][0]} {parts[1]} {parts[2][0]})", _PYTHON[parts[1]](parts[0][1], parts[2][1]))
        ),
        children.map(lambda inner: (f"-({inner[0]})", -inner[1])),
        st.tuples(children, children, children).map(
            lambda three: (
                f"({three[0][0]} > 0 ? {three[1][0]} : {three[2][0]})",
                three[1 if three[0][1] > 0 else 2][1],
            )
        ),
        st.lists(children, min_size=1, max_size=3).map(
            lambda items: (f"max({', '.join(text for text, _ in items)})", max(number for _, number in items))
        ),
    )


@given(st.recursive(_NUMBERS.map(lambda number: (repr(number), number)), _grown, max_leaves=8))
def test_arithmetic_agrees_with_that_of_python(expression):
    text, expected = expression
    result = evaluate(f"x = {text}; $TargetDedicatedNodes = x == {expected!r}", circumstances())
    assert (result.error, result.dedicated) == (None, 1)


@given(st.lists(_NUMBERS, min_size=1, max_size=8))
def test_the_functions_over_vectors_agree_with_each_other(numbers):
    vector = f"[{', '.join(map(repr, numbers))}]"
    formula = f"""v = {vector}; $TargetDedicatedNodes =
        min(v) <= avg(v) + 0.001 && avg(v) <= max(v) + 0.001 && range(v) == max(v) - min(v) && len(v) == {len(numbers)}
        && percentile(v, 100) == max(v) && percentile(v, 0) == min(v) && std(v) >= 0 && norm(v) + 0.001 >= max(v)"""
    result = evaluate(formula, circumstances())
    assert (result.error, result.dedicated) == (None, 1)


@given(st.lists(st.integers(0, 100), min_size=1, max_size=30), st.integers(1, 40))
def test_samples_are_those_of_the_asked_time(active, seconds):
    here = circumstances(*active)
    metric = here.metrics["$ActiveTasks"]
    found = metric.between(NOW, NOW - timedelta(seconds=seconds * 10))
    assert found == tuple(map(float, active))[-len(found) :]
    assert len(found) == min(len(active), seconds * 10 // 30 + 1)
    assert 0 < metric.percent(NOW, NOW - timedelta(seconds=seconds * 10)) <= 100
