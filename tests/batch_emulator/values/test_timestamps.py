from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_emulator.values.timestamps import etag_of, from_http_date, from_wire, to_wire


@given(st.datetimes(timezones=st.just(UTC)))
def test_an_etag_is_the_time_in_ticks_of_dot_net(moment):
    ticks = (moment - datetime(1, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 10
    assert int(etag_of(to_wire(moment)), 16) == ticks


@given(st.datetimes(timezones=st.just(UTC)))
def test_what_is_written_is_read_back(moment):
    assert from_wire(to_wire(moment)) == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        ",",
        "yesterday",
        "Mon, 01 Jan 99999999999999 00:00:00 GMT",
        "Mon, 01 Jan 2026 99999999999999999999:00:00 GMT",
        "Mon, 01 Jan 2026 00:00:00 +99999999999999999999",
        "Mon, 01 Jan " + "9" * 5000 + " 00:00:00 GMT",
    ],
)
def test_what_is_no_http_date_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"."):
        from_http_date(text)
