"""What `python -m local drop` makes of paths."""

import os
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from batch_core.naming import BlobVersion
from local.drop import Dropping, plan
from local.errors import StackError
from local.settings_file import AppSettings
from local.taken import Taken
from local.up import _first_step


@pytest.fixture
def tree(tmp_path):
    for name in ("a/same.txt", "b/same.txt", "b/deep/er/x.txt", "b/.hidden", "one.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


def names(tree, *paths):
    return {one.name: str(one.file.relative_to(tree)) for one in plan([tree / path for path in paths])}


def test_a_file_goes_under_its_own_name_and_a_folders_files_under_their_paths_below_it(tree):
    assert plan([tree / "one.txt"]) == [Dropping(file=tree / "one.txt", name="one.txt")]
    assert names(tree, "b") == {
        ".hidden": "b/.hidden",
        "deep/er/x.txt": "b/deep/er/x.txt",
        "same.txt": "b/same.txt",
    }
    assert {"a/same.txt", "b/same.txt"} < names(tree, ".").keys()
    assert names(tree, "one.txt", "one.txt") == {"one.txt": "one.txt"}


@pytest.mark.parametrize("paths", [("a/same.txt", "b/same.txt"), ("a", "b"), ("a/same.txt", "b")])
def test_two_files_that_would_be_one_blob_are_refused_by_name_and_neither_is_dropped(tree, paths):
    with pytest.raises(StackError, match=r"nothing was dropped: .*a/same\.txt and .*b/same\.txt would both be"):
        names(tree, *paths)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("nowhere.txt", "there is no such file"),
        ("empty", "holds no file"),
        ("pipe", "is neither a file nor a folder"),
    ],
)
def test_what_cannot_be_dropped_is_reported_in_a_sentence(tree, path, words):
    with pytest.raises(StackError, match=words):
        names(tree, path)


def test_a_name_that_no_blob_can_have_is_reported(tmp_path):
    (tmp_path / "odd-\udcff.txt").write_text("")
    with pytest.raises(StackError, match="not UTF-8"):
        plan([tmp_path])


def test_a_prefix_is_put_before_the_names_of_files_and_of_what_is_in_folders_as_it_is(tree):
    assert [one.name for one in plan([tree / "one.txt"], "letters/")] == ["letters/one.txt"]
    assert [one.name for one in plan([tree / "one.txt"], "letters-")] == ["letters-one.txt"]
    assert sorted(one.name for one in plan([tree / "b"], "x/y/")) == [
        "x/y/.hidden",
        "x/y/deep/er/x.txt",
        "x/y/same.txt",
    ]


@pytest.mark.parametrize(
    ("prefix", "words"),
    [
        ("../", r"a part '\.' or '\.\.' would lead to another blob"),
        ("a/./", r"a part '\.' or '\.\.' would lead to another blob"),
        ("a" * 1020 + "/", "has at most 1024 characters"),
        ("a\0/", "has at most 1024 characters"),
        ("odd-\udcff/", "not UTF-8"),
    ],
)
def test_a_prefix_that_makes_a_name_no_blob_can_have_is_refused_and_nothing_is_dropped(tree, prefix, words):
    with pytest.raises(StackError, match=rf"cannot drop .*one\.txt.*{words}"):
        plan([tree / "one.txt"], prefix)


ROUTES = """
unmatched = "UNMATCHED"
[[routes]]
name = "letters"
match = "letters/*.txt"
command = "/bin/true"
[[routes]]
name = "surveys"
match = "surveys/*/_READY"
inputs = "folder"
command = "/bin/true"
"""


def taken(folder, text, **settings):
    file = folder / "routes.toml"
    file.write_text(text)
    return Taken.by(AppSettings.example().with_values(ROUTES_FILE=str(file), **settings))


def version_of(name, size=1):
    return BlobVersion(
        container="input", name=name, etag="1", last_modified=datetime(2026, 11, 30, tzinfo=UTC), size=size
    )


def test_a_file_without_a_task_of_its_own_has_the_reason(tmp_path):
    ignoring = taken(tmp_path, ROUTES.replace("UNMATCHED", "ignore"))
    assert ignoring.why_no_task(version_of("letters/a.txt")) is None
    assert ignoring.why_no_task(version_of("a.txt")) == "no route takes blob 'a.txt', and what none takes is ignored"
    assert ignoring.why_no_task(version_of("surveys/spring/a.csv")) == (
        "blob 'surveys/spring/a.csv' is a file of a folder, which route 'surveys' takes when its marker comes"
    )
    assert ignoring.why_no_task(version_of("surveys/spring/_READY", size=0)) is None


def test_a_file_that_the_settings_leave_alone_has_the_setting_as_its_reason(tmp_path):
    picky = taken(tmp_path, "", INPUT_SKIP_EMPTY="true", INPUT_NOT_BEFORE="2026-11-30T08:00:00Z")
    assert picky.why_no_task(version_of("a.txt", size=0)) == "it is empty, and INPUT_SKIP_EMPTY is true"
    assert picky.why_no_task(version_of("a.txt")) == (
        "it was written before 2026-11-30 08:00:00 UTC, as INPUT_NOT_BEFORE says"
    )
    new = replace(version_of("a.txt"), last_modified=datetime(2026, 12, 1, tzinfo=UTC))
    assert picky.why_no_task(new) is None


def test_wrong_routes_leave_it_to_the_app_to_say_so(tmp_path):
    wrong = taken(tmp_path, "unmatched = 5")
    assert wrong.why_no_task(version_of("a.txt")) is None
    assert not wrong.has_route("a.txt")


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("", "Drop a file into the container 'input':"),
        (ROUTES.replace("UNMATCHED", "settings"), "Drop a file into the container 'input':"),
        *(
            (
                text,
                "Drop a file that your routes take (--prefix puts folders before its name) into the container 'input':",
            )
            for text in (ROUTES.replace("UNMATCHED", "ignore"), ROUTES.replace("UNMATCHED", "reject"), "unmatched = 5")
        ),
    ],
)
def test_up_advises_to_drop_the_sample_only_where_the_routes_take_it(tmp_path, text, advice):
    file = tmp_path / "routes.toml"
    file.write_text(text)
    what, command = _first_step(AppSettings.example().with_values(ROUTES_FILE=str(file)))
    assert what == advice
    assert command.endswith(" local/samples/recipe.txt" if "your routes" not in advice else " PATH")
