"""When a run has printed what a document shows, and when it has not."""

import pytest

from tests.console_blocks import Step, fits, named, steps_of

ID, OTHER = "20261130T190546-a-txt-57ab6d7b72b13c8b", "20261130T190546-a-txt-9e902bc45ebc5cc5-r2"
OURS, OURS_AGAIN = "20270101T000000-a-txt-0123456789abcdef", "20270101T000000-a-txt-fedcba9876543210-r2"


def test_commands_are_read_with_what_is_shown_below_them():
    document = (
        "a\n\n```console\n$ one -x\n 1\n\n2\n\n$ two\n```\n\n```bash\n$ three\n```\n\n```console\n$ four\n4\n```\n"
    )
    assert steps_of(document) == [
        Step(command="one -x", shown=" 1\n\n2"),
        Step(command="two", shown=""),
        Step(command="four", shown="4"),
    ]


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("", "\n"),
        (" 21 a", " 21 a\n"),
        ("first\n...\nlast", "first\r\n\r\nx\r\nlast\r\n"),
        ("...", ""),
        ("took ...\n...", "took 3 s"),
        ('{"a": 1,\n "b": [true]}', '{"b": [true], "a": 1}\n'),
        ('{..., "a": 1, ...}', '{"x": 0, "a": 1, "y": 2}'),
        ('{"a": ..., "b": {...}, "c": [..., 2, ...]}', '{"a": [1], "b": {"x": 1}, "c": [1, 2, 3]}'),
        ('{"a": "it ...", ...}\n\nend', '{\n  "a": "it runs"\n}\n\nend'),
        ('{"at": "2026-11-30T19:06:47.149254Z"}', '{"at": "2027-01-01T00:00:00Z"}'),
        ("tvmps_98c41e... 2026-11-30 19:07", "tvmps_0123456789abcdef_d 2027-01-01 00:00"),
        (f"{ID} {OTHER} {ID}", f"{OURS} {OURS_AGAIN} {OURS}"),
    ],
)
def test_what_is_shown_is_found_in_what_was_printed(shown, printed):
    assert fits(shown, printed, {}) is not None


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("", "a"),
        (" 21 a", "21 a"),
        ("first\n...\nlast", "first\nlast\nx"),
        ("first\nlast", "first\n\nlast"),
        ("200 OK\n...", "HTTP/1.1 200 OK\n"),
        ('{"a": 1}', '{"a": 1, "b": 2}'),
        ('{..., "c": 1}', '{"a": 1}'),
        ('{..., "a": 1}', '{"a": true}'),
        ('{..., "a": null}', '{"b": 1}'),
        ('{"a": [1]}', '{"a": [1, 2]}'),
        ('{"a": {"b": "c"}, ...}', '{"a": {"b": "d"}}'),
        ('{"a": 1}', "no JSON"),
        ('{"a": 1}', "{no JSON}"),
        ('{"a": 1', '{"a": 1}'),
        ('{"at": "2026-11-30T19:06:47.149254Z"}', '{"at": "2026-11-30T19:06:47.149254+00:00"}'),
        ('{"at": "2026-11-30T19:06:47.149254Z"}', '{"at": null}'),
        (ID, OURS.replace("-a-", "-b-")),
        (OTHER, OURS_AGAIN.replace("-r2", "-r3")),
        (f"{ID} {ID}", f"{OURS} {OURS.replace('0', '1')}"),
        (f"{ID} {OTHER.removesuffix('-r2')}", f"{OURS} {OURS}"),
    ],
)
def test_anything_else_is_noticed(shown, printed):
    assert fits(shown, printed, {}) is None


def test_a_name_is_the_same_in_every_reply_and_goes_into_later_commands():
    names = fits(f"http://127.0.0.1:7071/{ID}", f"http://127.0.0.1:29871/{OURS}", {"7071": "29871"})
    assert named(f"curl localhost:7071/{ID}/stdout", names) == f"curl localhost:29871/{OURS}/stdout"
    assert fits(ID, OURS, names) is not None
    assert fits(ID, OURS.replace("0", "1"), names) is None
    assert fits("http://127.0.0.1:7072", "http://127.0.0.1:29871", names) is None
    with pytest.raises(AssertionError, match=f"names what no reply above it shows: {OTHER}"):
        named(f"curl {OTHER}", names)
