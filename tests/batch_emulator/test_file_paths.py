"""Whatever a file path says, nothing outside the root is found, listed or deleted."""

import shutil
from contextlib import suppress
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_emulator.execution.node_files import FileRoot, NotEmptyError, find_file, list_files, remove_file
from tests.batch_emulator.signed import send

LINKS = {
    "up": "..",
    "far": "/etc",
    "secret": "../../outside/secret",
    "beside": "../../root-twin/secret",
    "loop": "loop",
    "chain": "up",
    "self": ".",
    "good": "inner.txt",
}
SEGMENTS = ["", ".", "..", "wd", "inner.txt", "root", "root-twin", "outside", "etc", "passwd", *LINKS, "...", "~", "\\"]
names = st.lists(st.sampled_from(SEGMENTS) | st.text(max_size=3), max_size=8).map("/".join)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A root beside things that must stay untouched, with links of every kind in it."""
    top = tmp_path_factory.mktemp("top")
    for name in ("outside", "root-twin"):
        (top / name).mkdir()
        (top / name / "secret").write_text("secret")
    root = top / "root"
    build(root)
    return root


def build(root):
    shutil.rmtree(root, ignore_errors=True)
    (root / "wd").mkdir(parents=True)
    (root / "wd" / "inner.txt").write_text("inner")
    for name, target in LINKS.items():
        (root / "wd" / name).symlink_to(target)


def outside(root):
    return sorted(str(path) for path in root.parent.rglob("*") if not path.is_relative_to(root))


@settings(deadline=None, max_examples=400)
@given(names)
def test_no_name_finds_what_is_outside(tree, name):
    entry = find_file(FileRoot(directory=tree, url=""), name)
    if entry is not None:
        assert entry.path.resolve() != tree
        assert entry.path.resolve().is_relative_to(tree)


@settings(deadline=None, max_examples=200)
@given(names, st.booleans())
def test_no_name_deletes_what_is_outside(tree, name, recursive):
    before = outside(tree)
    with suppress(NotEmptyError):
        remove_file(FileRoot(directory=tree, url=""), name, recursive=recursive)
    assert outside(tree) == before
    assert tree.is_dir()
    build(tree)


def test_a_list_does_not_follow_links(tree):
    root = FileRoot(directory=tree, url="")
    listed = list_files(tree, recursive=True)
    assert [name for name in listed if find_file(root, name)] == ["wd", "wd/good", "wd/inner.txt", "wd/self"]


TRICKS = [
    "../../../../../../etc/passwd",
    "wd/up/up/../../../../etc/passwd",
    "wd/out/passwd",
    "%2e%2e/%2e%2e/etc/passwd",
    "..%2f..%2fetc/passwd",
    "//etc/passwd",
    "wd/./../../../x",
    "..\\..\\etc\\passwd",
    "wd/\u2025/x",
]


@pytest.mark.parametrize("path", TRICKS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
@pytest.mark.parametrize("encode", [lambda path: quote(path, safe=""), quote, lambda path: quote(quote(path, safe=""))])
async def test_no_encoding_of_a_path_leaves_the_task(escaped, url, path, method, encode):
    pool, node_id, job = escaped
    for files in (f"/jobs/{job}/tasks/task/files", f"/pools/{pool}/nodes/{node_id}/files"):
        answer = await send(url, method, f"{files}/{encode(path)}")
        assert answer.status == 404


@pytest.fixture(scope="module")
async def escaped(batch):
    """A task that linked its way out of its directory."""
    pool = await batch.ready_pool()
    job = await batch.job(pool)
    task = await batch.run(job, "/bin/sh -c 'ln -s .. up; ln -s /etc out'")
    return pool, task.node_info.node_id, job
