import pytest

from local.host.blobs.path import BlobPath
from local.host.errors import BindingError


@pytest.mark.parametrize(
    ("path", "blob", "parts"),
    [
        ("in/{name}", "a.txt", {"name": "a.txt"}),
        ("in/{name}", "a/b c/ü $(touch x).txt", {"name": "a/b c/ü $(touch x).txt"}),
        ("in/{name}", "two\nlines.txt", None),
        ("in/{name}.csv", "a\n.csv", None),
        ("in", "two\nlines.txt", {}),
        ("in", "a/b.txt", {}),
        ("in/{name}.csv", "a.csv", {"name": "a"}),
        ("in/{name}.csv", "a.txt", None),
        ("in/{day}/{name}", "monday/a/b", {"day": "monday/a", "name": "b"}),
        ("in/reports/{name}", "other/a", None),
        ("in/a+b/{name}", "a+b/c", {"name": "c"}),
        ("in/{{x}}-{name}", "{x}-1", {"name": "1"}),
    ],
)
def test_a_pattern_matches_whole_names_and_finds_its_parts(path, blob, parts):
    assert BlobPath.parse(path).match("in", blob) == parts


def test_a_blob_of_another_container_never_matches():
    assert BlobPath.parse("in/{name}").match("out", "a") is None


def test_a_listing_is_narrowed_to_what_stands_before_the_first_part():
    assert BlobPath.parse("in/reports/{day}/{name}.csv").prefix == "reports/"


@pytest.mark.parametrize("path", ["", "/name", "{container}/name", "in/{name", "in/name}"])
def test_a_path_that_cannot_be_one_is_refused(path):
    with pytest.raises(BindingError):
        BlobPath.parse(path)
