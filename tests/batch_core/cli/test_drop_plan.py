"""What `batchdrop drop` makes of paths."""

import os

import pytest

from batch_core.cli.drop_plan import Dropping, NotDropped, plan


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
    with pytest.raises(NotDropped, match=r"nothing was dropped: .*a/same\.txt and .*b/same\.txt would both be"):
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
    with pytest.raises(NotDropped, match=words):
        names(tree, path)


def test_a_name_that_no_blob_can_have_is_reported(tmp_path):
    (tmp_path / "odd-\udcff.txt").write_text("")
    with pytest.raises(NotDropped, match="not UTF-8"):
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
    with pytest.raises(NotDropped, match=rf"cannot drop .*one\.txt.*{words}"):
        plan([tree / "one.txt"], prefix)
