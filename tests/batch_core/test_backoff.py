from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_core.backoff import FIRST, LONGEST, backoff

tries = st.integers(min_value=1, max_value=10**6)


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 15), (2, 30), (3, 60), (6, 480), (7, 900), (8, 900), (10**6, 900)]
)
def test_each_failure_doubles_the_wait_up_to_a_quarter_of_an_hour(failures, seconds):
    assert backoff(failures) == timedelta(seconds=seconds)


@given(tries, st.floats(min_value=0, max_value=86_400))
def test_a_service_is_never_asked_earlier_than_it_wants(failures, retry_after):
    assert backoff(failures, retry_after) >= timedelta(seconds=retry_after)


@given(tries)
def test_more_failures_never_mean_less_patience(failures):
    assert FIRST <= backoff(failures) <= backoff(failures + 1) <= LONGEST
