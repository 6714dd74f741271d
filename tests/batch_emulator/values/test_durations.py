import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_emulator.values.durations import UNLIMITED, format_duration, parse_duration, seconds_of


@pytest.mark.parametrize(
    ("given_text", "normal"),
    [
        ("PT01H00M00S", "PT1H"),
        ("PT15M", "PT15M"),
        ("P7D", "P7D"),
        ("P1W", "P7D"),
        ("PT90M", "PT1H30M"),
        ("PT0S", "PT0S"),
        ("P0D", "PT0S"),
        ("PT0.5S", "PT0.5S"),
        ("PT86400S", "P1D"),
        (UNLIMITED, UNLIMITED),
    ],
)
def test_durations_are_normalised_as_the_service_does(given_text, normal):
    assert format_duration(parse_duration(given_text)) == normal


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**63 - 1))
def test_what_is_written_is_read_back(ticks):
    assert parse_duration(format_duration(ticks)) == ticks


@pytest.mark.parametrize("text", ["", "P", "PT", "1h", "P1Y", "PT1H ", "-PT1H", "P1DT", "PT1X"])
def test_other_texts_are_refused(text):
    with pytest.raises(ValueError, match="ISO 8601"):
        parse_duration(text)


def test_the_largest_duration_means_no_limit():
    assert seconds_of(UNLIMITED) is None
    assert seconds_of("PT1M30S") == 90
