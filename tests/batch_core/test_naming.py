import unicodedata
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_core import naming
from batch_core.naming import BlobVersion

VERSION = BlobVersion(
    container="input",
    name="Reports/Jahresbericht 2026 (Größe).txt",
    etag='"0x8DE1"',
    last_modified=datetime(2026, 11, 23, 8, 1, 2, tzinfo=UTC),
    size=5,
)
AWKWARD_NAMES = [
    "plain.txt",
    "name with spaces.txt",
    "quotes ' and \".txt",
    "$(touch x).txt",
    "größe ñ 漢字.txt",
    "../../etc/passwd",
    "..",
    "a/../b",
    "%2F%2e%2e.txt",
    "-rf",
    ".hidden",
    "trailing.dots...",
    "folder/",
    "tab\tnewline\n.txt",
    "\u202eright-to-left.txt",
    "x" * 1024,
    "/".join("s" * 500),
]
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=1024)
versions = st.builds(
    BlobVersion,
    container=st.just("input"),
    name=names,
    etag=st.text(st.sampled_from("0123456789ABCDEFx"), min_size=1, max_size=20),
    last_modified=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    size=st.integers(0, 2**60),
)


def test_a_task_id_says_when_and_which_file():
    assert naming.task_id(VERSION).startswith("20261123T080102-reports-jahresbericht-20-")
    assert naming.task_id(VERSION, attempt=2).endswith("-r2")


def test_the_same_version_always_gives_the_same_id():
    assert naming.task_id(VERSION) == naming.task_id(replace(VERSION, etag="0x8DE1", size=99))


@pytest.mark.parametrize(
    "other",
    [
        replace(VERSION, name=VERSION.name.upper()),
        replace(VERSION, etag='"0x8DE2"'),
        replace(VERSION, container="other"),
    ],
)
def test_another_version_gives_another_id(other):
    assert naming.task_id(other).lower() != naming.task_id(VERSION).lower()


def test_attempts_differ_in_more_than_their_suffix():
    first, second = naming.task_id(VERSION), naming.task_id(VERSION, attempt=2)
    assert second.removesuffix("-r2") != first


@given(versions, st.integers(1, 9999))
def test_every_task_id_is_one_that_batch_accepts(version, attempt):
    task = naming.task_id(version, attempt)
    assert len(task) <= naming.MAX_ID_LENGTH
    assert task.isascii()
    assert set(task) <= set("abcdefghijklmnopqrstuvwxyz0123456789T-")
    assert naming.is_task_id(task)


@pytest.mark.parametrize("text", ["", "task-1", "20261123T080102", "20261123T080102-x-3f", "../20261123T080102-x"])
def test_what_is_no_task_id_is_recognised(text):
    assert not naming.is_task_id(text)
    with pytest.raises(ValueError, match="not a task id"):
        naming.table_keys(text)


def test_the_newest_task_of_a_day_comes_first_in_its_partition():
    older = naming.table_keys(naming.task_id(VERSION))
    newer = naming.table_keys(
        naming.task_id(replace(VERSION, last_modified=datetime(2026, 11, 23, 8, 1, 3, tzinfo=UTC)))
    )
    assert older.partition == newer.partition == "20261123"
    assert newer.row < older.row < newer.open_row < older.open_row


@given(versions, versions)
def test_different_tasks_have_different_keys(one, other):
    tasks = {naming.task_id(one), naming.task_id(other)}
    assert len({naming.table_keys(task) for task in tasks}) == len(tasks)


@pytest.mark.parametrize("name", AWKWARD_NAMES)
def test_a_file_name_for_the_node_is_harmless(name):
    safe = naming.file_name(name)
    assert 1 <= len(safe) <= 100
    assert set(safe) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    assert not safe.startswith((".", "-"))


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("report.csv", "report.csv"),
        ("a/b/c d.tar.gz", "c_d.tar.gz"),
        ("Größe.txt", "Gro_e.txt"),
        ("漢字.txt", "_.txt"),
        ("..", "file"),
        ("x" * 300 + ".json", "x" * 95 + ".json"),
    ],
)
def test_a_file_name_keeps_its_look_and_extension(name, safe):
    assert naming.file_name(name) == safe


@given(st.lists(versions, min_size=2, max_size=5), st.integers(1, 3))
def test_distinct_versions_never_share_a_task_or_an_output(several, attempt):
    # Alike in everything that a name shows: only the names and ETags themselves tell them apart.
    alike = [replace(one, last_modified=several[0].last_modified) for one in several]
    distinct = {(one.name, one.etag): one for one in [*several[:1], *alike]}
    twins = [replace(one, name=twin) for one in distinct.values() for twin in twins_of(one.name)]
    distinct |= {(one.name, one.etag): one for one in twins}
    tasks = [naming.task_id(one, attempt) for one in distinct.values()]
    # Batch compares ids without regard to case; a reader of the outputs may do so, too.
    assert len({task.lower() for task in tasks}) == len(distinct)
    outputs = [
        naming.output_name(one.name, task, "stdout.txt") for one, task in zip(distinct.values(), tasks, strict=True)
    ]
    assert len({unicodedata.normalize("NFKC", output).casefold() for output in outputs}) == len(distinct)


def twins_of(name):
    forms = [unicodedata.normalize(form, name) for form in ("NFC", "NFD", "NFKC")]
    return {*forms, name.upper(), name.lower(), f"{name}.", f"{name}/", f"{name} "}


def test_an_output_name_is_cut_as_the_service_counts():
    output = naming.output_name("\N{GRINNING FACE}" * 512, "t-1", "stdout.txt")
    longest = naming.MAX_BLOB_NAME_LENGTH - naming.MAX_OUTPUT_LENGTH + len("stdout.txt")
    assert len(output.encode("utf-16-le")) // 2 in {longest, longest - 1}
    assert output.startswith("\N{GRINNING FACE}" * 300)
    assert output.endswith("\N{GRINNING FACE}/t-1/stdout.txt")


@given(versions)
def test_all_outputs_of_a_task_are_in_one_folder(version):
    task = naming.task_id(version)
    longest = "/".join(["f"] * 24).ljust(naming.MAX_OUTPUT_LENGTH, "f")
    outputs = [naming.output_name(version.name, task, file) for file in ("stdout.txt", "files", longest)]
    assert len({output.rpartition(f"{task}/")[0] for output in outputs}) == 1
    assert len(outputs[-1].encode("utf-16-le")) <= 2 * naming.MAX_BLOB_NAME_LENGTH
    assert outputs[-1].count("/") < naming.MAX_BLOB_NAME_SEGMENTS


@given(versions)
def test_every_output_name_is_one_that_storage_accepts(version):
    task = naming.task_id(version)
    output = naming.output_name(version.name, task, "stdout.txt")
    assert len(output.encode("utf-16-le")) <= 2 * naming.MAX_BLOB_NAME_LENGTH
    assert output.count("/") < naming.MAX_BLOB_NAME_SEGMENTS
    assert f"/{output}".endswith(f"/{task}/stdout.txt")


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("a/b.txt", "a/b.txt/t-1/stdout.txt"),
        # Nodes may leave out slashes at the beginning.
        ("//leading//.hidden/", "leading//.hidden//t-1/stdout.txt"),
        ("//", "t-1/stdout.txt"),
        ("../x", "%2E%2E/x/t-1/stdout.txt"),
        ("a/./b/..", "a/%2E/b/%2E%2E/t-1/stdout.txt"),
        (".../..a/b..", ".../..a/b../t-1/stdout.txt"),
        ("..\\x", "%2E%2E\\x/t-1/stdout.txt"),
        # The cut leaves two dots of a longer part.
        ("n" * 760 + "/..hidden", "n" * 760 + "//t-1/stdout.txt"),
    ],
)
def test_an_output_stands_under_its_files_name(name, output):
    assert naming.output_name(name, "t-1", "stdout.txt") == output


@pytest.mark.parametrize(
    ("name", "is_so"), [("a/../b", True), ("..", True), (".", True), ("a\\.\\b", True), (".../a..b/.c/d.", False)]
)
def test_a_part_of_one_or_two_dots_is_recognised(name, is_so):
    assert naming.has_dot_segment(name) is is_so


@pytest.mark.parametrize(
    ("name", "is_so"), [("a/../b", True), ("a./b", True), ("a...", True), ("a\\b", True), ("a.txt/.b//c", False)]
)
def test_a_name_that_storage_may_keep_under_another_is_recognised(name, is_so):
    assert naming.is_ambiguous(name) is is_so


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("n" * 925, True),
        ("n" * 926, False),
        ("\N{GRINNING FACE}" * 463, False),
        ("/".join("s" * 249), True),
        ("/".join("s" * 250), False),
    ],
    ids=["longest", "too-long", "astral", "most-parts", "too-many-parts"],
)
def test_a_name_that_the_hosts_receipt_cannot_hold_is_recognised(name, fits):
    assert naming.fits_receipt("input", name) is fits


@pytest.mark.parametrize("pool", ["files-pool", "p" * 64])
def test_a_job_id_fits_whatever_the_pool_is_called(pool):
    job = naming.job_id("x" * 16, pool, -1000, date(2026, 11, 23), 999_999)
    assert len(job) <= naming.MAX_ID_LENGTH
    assert job.endswith("-m1000-20261123-999999")
    assert naming.job_day(job) == (date(2026, 11, 23), 999_999)


def test_jobs_of_pools_with_long_names_differ():
    day = date(2026, 11, 23)
    assert naming.job_id("f", "p" * 63 + "a", 0, day, 1) != naming.job_id("f", "p" * 63 + "b", 0, day, 1)


def test_jobs_of_one_pool_and_priority_are_alike_whatever_their_day_and_number():
    kinds = [("images", 0), ("images", 5), ("images", -5), ("images2", 0)]
    days = [(date(2026, 11, 23), 1), (date(2026, 12, 1), 12)]
    jobs = [naming.job_id("files", pool, priority, day, number) for pool, priority in kinds for day, number in days]
    alike = [[naming.are_alike(one, other) for other in jobs] for one in jobs]
    assert alike == [[one // 2 == other // 2 for other in range(8)] for one in range(8)]


def test_the_default_priority_leaves_a_jobs_id_as_it_always_was():
    assert naming.job_id("files", "files-pool", 0, date(2026, 11, 23), 1) == "files-files-pool-20261123-1"
