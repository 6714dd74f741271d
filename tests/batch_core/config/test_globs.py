import glob as standard
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_core.config.globs import Glob, compiled, glob_problem

MATCHING = [
    ("**", "a"),
    ("**", "a/b"),
    ("**", "a//b"),
    ("**", "folder/"),
    ("*.txt", "a.txt"),
    ("*.txt", ".txt"),
    ("*.txt", "line\nbreak.txt"),
    ("**/*.txt", "a.txt"),
    ("**/*.txt", "a/b/c.txt"),
    ("photos/**/*.jpg", "photos/a.jpg"),
    ("photos/**/*.jpg", "photos/x/y/a.jpg"),
    ("photos/**", "photos/x/y"),
    ("a/**/b/**/c", "a/b/c"),
    ("a/**/b/**/c", "a/x/b/y/z/c"),
    ("?.[ab]", "é.a"),
    ("[!a]", "b"),
    ("a//b", "a//b"),
    ("[{]x}", "{x}"),
    ("**/*", "/a"),
]
NOT_MATCHING = [
    ("*.txt", "a/b.txt"),
    ("*.txt", "a.TXT"),
    ("*.txt", "a.txt2"),
    ("photos/**", "photos"),
    ("photos/*.jpg", "photos/x/a.jpg"),
    ("a/*/b", "a//b"),
    ("?", ""),
    ("[!a]", "a"),
    ("a.b", "axb"),
    ("a", "a\n"),
]


@pytest.mark.parametrize(("glob", "name"), MATCHING)
def test_a_glob_takes_these_names(glob, name):
    assert Glob(glob).matches(name)


@pytest.mark.parametrize(("glob", "name"), NOT_MATCHING)
def test_a_glob_leaves_these_names(glob, name):
    assert not Glob(glob).matches(name)


GLOBS = st.lists(st.sampled_from(["**", "*", "a", "?", "a*", "*b", "[ab]", ".x"]), min_size=1, max_size=4)
NAMES = st.lists(st.text("ab.x", min_size=1, max_size=3), min_size=1, max_size=5)


@given(GLOBS, NAMES)
def test_globs_mean_what_the_standard_library_means(parts, names):
    glob, name = "/".join(parts), "/".join(names)
    expected = re.compile(standard.translate(glob, recursive=True, include_hidden=True, seps="/"))
    assert Glob(glob).matches(name) == bool(expected.match(name))


LONG_NAMES = ["a" * 1024, "/".join(["aaa"] * 250), "a/" * 500]


@pytest.mark.parametrize(
    ("glob", "expected"),
    [
        ("**/*a*a*a*a*a*a*a*a*b", [False, False, False]),
        ("/".join(["**", "*a*"] * 20), [False, True, False]),
        ("*" * 200 + "b", [False, False, False]),
    ],
)
def test_no_name_takes_long_to_match(glob, expected):
    # The standard library's expression takes minutes for a fifth of the first of these names; a test may take two.
    assert [compiled(glob).matches(name) for name in LONG_NAMES] == expected


@pytest.mark.parametrize("glob", ["/a", "a**", "a/**b/c", "*.{jpg,png}"])
def test_a_glob_that_does_not_match_what_it_seems_to_is_a_problem(glob):
    assert glob_problem(glob) is not None


@pytest.mark.parametrize("glob", [glob for glob, _ in MATCHING])
def test_a_glob_that_matches_is_no_problem(glob):
    assert glob_problem(glob) is None
