import json
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_core.config.pools import Fill, Pool, Scale, StartTask, settings_pool
from batch_core.config.route_tables import RoutesTable
from batch_core.config.routes import JobKind, RunAs, Unmatched, settings_route
from batch_core.config.routes_file import MAX_FILE_SIZE, json_schema, read_routes
from batch_core.config.settings import Settings
from batch_core.errors import RoutesError
from batch_core.services import verbatim

ROOT = Path(__file__).parents[3]
SETTINGS = Settings.from_env(json.loads((ROOT / "local.settings.json.example").read_text())["Values"])
MINIMAL = '[[routes]]\nname = "texts"\nmatch = "*.txt"\ncommand = "cat"\n'


def routes_of(folder: Path, text: str | bytes, env: dict[str, str] | None = None):
    file = folder / "routes.toml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_routes(file, SETTINGS, env or {}, verbatim.problems)


def problems_of(folder: Path, text: str | bytes, env: dict[str, str] | None = None) -> tuple[str, ...]:
    with pytest.raises(RoutesError) as caught:
        routes_of(folder, text, env)
    return caught.value.problems


def test_a_route_that_says_little_takes_the_rest_from_the_settings(tmp_path):
    texts, last = routes_of(tmp_path, MINIMAL).routes
    assert last == settings_route(SETTINGS)
    assert (texts.name, texts.globs, texts.command_line) == ("texts", ("*.txt",), "cat")
    assert (texts.job_kind, texts.task_slots, texts.retries) == (JobKind(pool_id="files-pool"), 1, 0)
    assert (texts.max_wall_clock_time, texts.retention_time) == (timedelta(days=1), timedelta(days=7))
    assert (texts.run_as, texts.is_elevated, dict(texts.environment)) == (RunAs.TASK, False, {})


def test_a_route_says_everything(tmp_path):
    text = """
        unmatched = "ignore"
        [[routes]]
        name = "Thumbs-1"
        match = ["photos/**/*.jpg", "*.png"]
        command = "python3 thumb.py"
        pool = "Images"
        priority = -5
        slots = 4
        retries = 2
        timeout = "PT1H30M"
        retention = "P2D"
        run_as = "pool"
        elevated = true
        environment = { SIZE = "64", TOKEN = "Bearer %API_TOKEN%", SHARE = "100%" }
        [pools.images]
        existing = true
    """
    found = routes_of(tmp_path, text, {"API_TOKEN": "s3cret"})
    (route,) = found.routes
    assert found.unmatched is Unmatched.IGNORE
    assert route.globs == ("photos/**/*.jpg", "*.png")
    assert route.job_kind == JobKind(pool_id="images", priority=-5)
    assert (route.task_slots, route.retries) == (4, 2)
    assert (route.max_wall_clock_time, route.retention_time) == (timedelta(minutes=90), timedelta(days=2))
    assert (route.run_as, route.is_elevated) == (RunAs.POOL, True)
    assert route.environment == {"SIZE": "64", "TOKEN": "Bearer s3cret", "SHARE": "100%"}
    assert "s3cret" not in repr(found)
    assert "64" not in repr(found)


def test_the_first_route_that_matches_takes_a_file(tmp_path):
    text = MINIMAL + '[[routes]]\nname = "all"\nmatch = ["a/**", "*.txt"]\ncommand = "wc"\n'
    found = routes_of(tmp_path, text)
    taken = {name: found.for_blob(name).name for name in ("x.txt", "a/x.txt", "b/x.txt")}
    assert taken == {"x.txt": "texts", "a/x.txt": "all", "b/x.txt": "settings"}


def test_a_pool_has_one_spelling_as_batch_compares_ids_without_regard_to_case(tmp_path):
    text = "".join(
        MINIMAL.replace("texts", f"r{number}") + f'pool = "{pool}"\n'
        for number, pool in enumerate(["FILES-POOL", "Images", "images"])
    )
    routes = routes_of(tmp_path, text + "[pools.Images]").routes
    assert [route.job_kind.pool_id for route in routes] == ["files-pool", "Images", "Images", "files-pool"]


def test_a_pool_that_says_little_takes_the_rest_from_the_settings(tmp_path):
    found = routes_of(tmp_path, "[pools.images]")
    default = settings_pool(SETTINGS.pool)
    assert found.pools == (default, replace(default, id="images"))


def test_a_pool_says_everything(tmp_path):
    subnet = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/n"
    text = f"""
        [pools.images]
        vm_size = "STANDARD_D2DS_V5"
        image = "microsoft-dsvm:ubuntu-hpc:2404:latest"
        node_agent = "batch.node.ubuntu 24.04"
        slots_per_node = 4
        fill = "pack"
        scale = {{ min = 1, max = 8, spot = 0.5 }}
        start_task = {{ command = "/bin/true", elevated = true }}
        packages = ["ffmpeg", "blender:4.2"]
        subnet = "{subnet}"
        inter_node = true
    """
    (_, pool) = routes_of(tmp_path, text).pools
    assert pool == Pool(
        id="images",
        vm_size="STANDARD_D2DS_V5",
        image="microsoft-dsvm:ubuntu-hpc:2404:latest",
        node_agent_sku="batch.node.ubuntu 24.04",
        slots_per_node=4,
        nodes=2,
        fill=Fill.PACK,
        scale=Scale(min=1, max=8, spot=0.5),
        start_task=StartTask(command_line="/bin/true", is_elevated=True),
        packages=("ffmpeg", "blender:4.2"),
        subnet_id=subnet,
        talks_between_nodes=True,
    )


def test_the_settings_pool_may_be_described_in_the_file(tmp_path):
    (pool,) = routes_of(tmp_path, "[pools.files-pool]\nnodes = 7").pools
    assert (pool.id, pool.nodes) == ("files-pool", 7)


def test_the_settings_pool_is_none_of_ours_where_nothing_uses_it(tmp_path):
    text = 'unmatched = "ignore"\n' + MINIMAL + 'pool = "images"\n[pools.images]\nexisting = true'
    assert [pool.id for pool in routes_of(tmp_path, text).pools] == ["images"]


def test_a_file_that_nothing_matches_is_taken_by_no_route_unless_the_settings_are_the_last(tmp_path):
    assert routes_of(tmp_path, 'unmatched = "reject"\n' + MINIMAL).for_blob("x.csv") is None


#: What is wrong in a file of one or two routes, and what the problem says.
WRONG = [
    ('unmatched = "ignor"', "routes.toml, unmatched is 'ignor': it must be settings, ignore or reject"),
    ("routs = 1", "routes.toml has 'routs', which means nothing here: did you mean routes?"),
    ("routes = 1", "routes.toml, routes is 1: it must be a list of up to 200 tables, each begun by [[routes]]"),
    ("routes = [1]", "routes.toml, route 1 is 1: it must be a table"),
    (
        MINIMAL + 'comand = "x"',
        "routes.toml, route 'texts' has 'comand', which means nothing here: did you mean command?",
    ),
    (MINIMAL.replace('command = "cat"', ""), "routes.toml, route 'texts' has no command: it must be a command line"),
    (MINIMAL.replace('"cat"', '" "'), "routes.toml, route 'texts', command is blank"),
    (MINIMAL.replace('"cat"', '"a | b"'), "routes.toml, route 'texts', command holds '|', which no shell reads"),
    (MINIMAL.replace('"texts"', '"a b"'), "routes.toml, route 'a b', name is 'a b': it must be 1 to 32 letters"),
    (MINIMAL.replace('"texts"', '"Settings"'), "routes.toml, route 'Settings' has the name of the settings' own route"),
    (MINIMAL * 2, "routes.toml, route 'texts' has the name of an earlier one"),
    (MINIMAL.replace('"*.txt"', "[]"), "routes.toml, route 'texts', match is []: it must be a glob"),
    (MINIMAL.replace('"*.txt"', '"/*.txt"'), "routes.toml, route 'texts', match '/*.txt' begins with a slash"),
    (
        MINIMAL + 'pool = "image"\n[pools.images]',
        "routes.toml, route 'texts', pool is 'image', which is neither a pool",
    ),
    ('[pools."a b"]', "routes.toml, pools has a pool called 'a b': an id is 1 to 64 letters"),
    ("[pools.a]\n[pools.A]", "routes.toml, pools has 'a' twice, but for capitals"),
    ("pools = 1", "routes.toml, pools is 1: it must be a table of pools, each begun by [pools.ID]"),
    ("pools = { a = 1 }", "routes.toml, pool 'a' is 1: it must be a table"),
    *[
        (f"{MINIMAL}resources = [{{ {words} }}]", f"routes.toml, route 'texts', resource 1{problem}")
        for words, problem in [
            ("path = 'a'", " has no source: it must be one of url, container and auto_storage"),
            ("url = 'https://a'", " has a url and no path"),
            ("url = 'https://a', path = 'a', prefix = 'a'", " has a url and a prefix"),
            ("url = 'https://a', path = 'a', auto_storage = 'a'", " has url and auto_storage: it must be one of"),
            ("url = 'ftp://a', path = 'a'", ", url is no URL: it begins with https://"),
            ("auto_storage = 'A'", ", auto_storage is 'A': it must be the name of a container"),
            ("auto_storage = 'a', path = '../b'", ", path is '../b': it must be relative"),
            ("auto_storage = 'a', path = 'input/x'", ", path is 'input/x': the folder input is the input file's"),
            ("auto_storage = 'a', identity = true", " has identity, and POOL_IDENTITY_RESOURCE_ID is not set"),
            ("container = '%NO%'", ", container names the setting NO, which is not set"),
        ]
    ],
    (
        MINIMAL + "image = 'a'",
        "routes.toml, route 'texts' has an image, and its pool files-pool has no con",
    ),
    (
        MINIMAL + "image = '-a'\n[pools.files-pool]\ncontainer_images = []",
        "routes.toml, route 'texts', image is '-a': it must be the name of an image",
    ),
    (MINIMAL + "image_options = '--rm'", "routes.toml, route 'texts' has image_options without an image"),
    (MINIMAL.replace('"cat"', '""'), "routes.toml, route 'texts' has an empty command: only an image has an entry"),
    (
        MINIMAL + "image = 'a'\nimage_identity = true\n[pools.files-pool]\ncontainer_images = []",
        "routes.toml, route 'texts' has image_identity, and POOL_IDENTITY_RESOURCE_ID is not set",
    ),
    (
        "[pools.a]\ncontainer_images = ['']",
        "routes.toml, pool 'a', container_images is [\"\"]: it must be a",
    ),
    (MINIMAL + "outputs = ['/etc/passwd']", "routes.toml, route 'texts', outputs has '/etc/passwd': a pattern must be"),
    (MINIMAL + "outputs = ['a/../../b']", "routes.toml, route 'texts', outputs has 'a/../../b': a pattern must be"),
    (MINIMAL + "outputs_on = 'always'", "routes.toml, route 'texts', outputs_on is 'always': it must be success"),
    ("[pools.a]\nnods = 1", "routes.toml, pool 'a' has 'nods', which means nothing here: did you mean nodes?"),
    ("[pools.a]\nnodes = 1001", "routes.toml, pool 'a', nodes is 1001: it must be a whole number of nodes, at most"),
    (
        '[pools.a]\nimage = "/subscriptions/s/disks/d"',
        "routes.toml, pool 'a', image is '/subscriptions/s/disks/d': it must be publisher:offer:sku:version",
    ),
    ('[pools.a]\nimage = "x"', "routes.toml, pool 'a', image is 'x': it must be publisher:offer:sku:version"),
    ("[pools.a]\nscale = 1", "routes.toml, pool 'a', scale is 1: it must be a table such as { min = 0, max = 20 }"),
    ("[pools.a]\nscale = {}", "routes.toml, pool 'a', scale has no max: it must be a whole number of nodes"),
    ("[pools.a.scale]\nmax = 2\nspot = 2", "routes.toml, pool 'a', scale, spot is 2: it must be a share from 0 to 1"),
    ("[pools.a.scale]\nmin = 3\nmax = 2", "routes.toml, pool 'a' has a scale from 3 to 2 nodes: min must not be more"),
    ("[pools.a]\nnodes = 1\nscale = { max = 1 }", "routes.toml, pool 'a' has nodes and scale: one of them decides"),
    ("[pools.a]\nexisting = true\nnodes = 1", "routes.toml, pool 'a' is existing, and has nodes: who made it decides"),
    ("[pools.a]\nstart_task = { command = 'a | b' }", "routes.toml, pool 'a', start_task, command holds '|', which no"),
    (MINIMAL + "slots = 257", "routes.toml, route 'texts', slots is 257: it must be a whole number from 1 to 256"),
    (MINIMAL + "slots = true", "routes.toml, route 'texts', slots is true: it must be a whole number"),
    (MINIMAL + "priority = 1.5", "routes.toml, route 'texts', priority is 1.5: it must be a whole number from -1000"),
    (MINIMAL + "retries = -1", "routes.toml, route 'texts', retries is -1: it must be a whole number from 0 to 100"),
    (MINIMAL + 'timeout = "1h"', "routes.toml, route 'texts', timeout is '1h': it must be an ISO 8601 duration"),
    (MINIMAL + 'timeout = "PT0S"', "routes.toml, route 'texts', timeout is P0D: it must be from PT1S to P180D"),
    (MINIMAL + 'retention = "P181D"', "routes.toml, route 'texts', retention is P181D: it must be from PT1M to P180D"),
    (MINIMAL + 'inputs = "all"', "routes.toml, route 'texts', inputs is 'all': it must be file or folder"),
    (
        MINIMAL + 'inputs = "folder"',
        "routes.toml, route 'texts' has inputs = folder, and '*.txt' ends in no marker: its last part is the marker's",
    ),
    (
        MINIMAL.replace("*.txt", "in/_READY") + 'inputs = "folder"\ninput_after = "delete"',
        "routes.toml, route 'texts' has inputs = folder and input_after = delete: the files of a folder are never",
    ),
    (
        MINIMAL + "[routes.batch]\nmultiInstanceSetings = {}",
        "routes.toml, route 'texts', batch, 'multiInstanceSetings' means nothing to Batch: did you mean multiInstance",
    ),
    (
        MINIMAL + "batch = { requiredSlots = 2 }",
        "routes.toml, route 'texts', batch, requiredSlots has a word of its own: slots",
    ),
    (MINIMAL + 'batch = { id = "x" }', "routes.toml, route 'texts', batch, id is for the app to say"),
    (
        MINIMAL + "batch = { multiInstanceSettings = { numberOfInstances = 2 } }",
        "routes.toml, route 'texts', batch, multiInstanceSettings has no coordinationCommandLine",
    ),
    (
        MINIMAL + 'batch = { multiInstanceSettings = { numberOfInstances = "2", coordinationCommandLine = "x" } }',
        "routes.toml, route 'texts', batch, multiInstanceSettings.numberOfInstances is not valid: it must be a whole",
    ),
    (
        MINIMAL + 'batch = { containerSettings = { workingDirectory = "taskWorkingDirectory" } }',
        "routes.toml, route 'texts', batch, containerSettings says nothing without image",
    ),
    (MINIMAL + "batch = { affinityInfo = 1 }", "routes.toml, route 'texts', batch, affinityInfo must be a table"),
    (
        MINIMAL + 'batch = { displayName = "%NO_SUCH%" }',
        "routes.toml, route 'texts', batch, displayName names the setting NO_SUCH, which is not set",
    ),
    (
        "[[pools.a.batch.mountConfiguration]]\n[pools.a.batch.mountConfiguration.nfsMountConfiguration]\nsource = 'a'",
        "routes.toml, pool 'a', batch, mountConfiguration 1.nfsMountConfiguration has no relativeMountPath",
    ),
    (
        '[pools.a.batch.upgradePolicy]\nmode = "always"',
        "routes.toml, pool 'a', batch, upgradePolicy.mode is 'always': it must be automatic, manual, rolling",
    ),
    (
        '[pools.a.batch]\nresizeTimeout = "1h"',
        "routes.toml, pool 'a', batch, resizeTimeout is not valid: it must be an",
    ),
    ("[pools.a.batch]\nmetadata = {}", "routes.toml, pool 'a', batch, metadata must be a list"),
    (
        "[pools.a.batch.startTask]\nmaxTaskRetryCount = 1",
        "routes.toml, pool 'a', batch, startTask says nothing without",
    ),
    (MINIMAL + 'environment = { INPUT_FOLDER = "" }', "routes.toml, route 'texts', environment names INPUT_FOLDER"),
    (MINIMAL + 'run_as = "root"', "routes.toml, route 'texts', run_as is 'root': it must be task or pool"),
    (MINIMAL + 'elevated = "yes"', "routes.toml, route 'texts', elevated is 'yes': it must be true or false"),
    (MINIMAL + 'pool = "a b"', "routes.toml, route 'texts', pool is 'a b': it must be the id of a pool"),
    (
        MINIMAL + "environment = { A = 1 }",
        "routes.toml, route 'texts', environment is not valid (its values are not shown): it must be a table",
    ),
    (MINIMAL + 'environment = { "A B" = "" }', "routes.toml, route 'texts', environment names 'A B', which is no name"),
    (MINIMAL + 'environment = { INPUT_FILE = "" }', "routes.toml, route 'texts', environment names INPUT_FILE"),
    (MINIMAL + 'environment = { AZ_BATCH_X = "" }', "routes.toml, route 'texts', environment names AZ_BATCH_X"),
    (
        MINIMAL + 'environment = { A = "%NO_SUCH%" }',
        "routes.toml, route 'texts', environment, A names the setting NO_SUCH, which is not set",
    ),
]


@pytest.mark.parametrize(("text", "problem"), WRONG, ids=[problem[:80] for _, problem in WRONG])
def test_a_problem_names_its_place_value_and_rule(tmp_path, text, problem):
    (found,) = problems_of(tmp_path, text)
    assert found.startswith(problem)


def test_every_problem_is_reported_at_once(tmp_path):
    texts = [text for text, _ in WRONG if text.startswith(MINIMAL) and text != MINIMAL * 2 and "[pools" not in text]
    named = [text.replace('"texts"', f'"texts{number}"') for number, text in enumerate(texts)]
    found = problems_of(tmp_path, "\n".join(named))
    assert len(found) == len(texts)


def test_a_value_of_the_environment_is_never_shown(tmp_path):
    text = MINIMAL + 'environment = { PASSWORD = "hunter2", OTHER = 5 }'
    (found,) = problems_of(tmp_path, text)
    assert "hunter2" not in found


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"routes = [", "routes.toml is not TOML: "),
        (b"\xff\xfe", "routes.toml is not UTF-8"),
        (b"a = " + b"[" * 5000, "routes.toml is not valid: it is nested too deeply"),
        (b"a = " + b"1" * 5000, "routes.toml is not TOML: "),
        (b"#" * (MAX_FILE_SIZE + 1), "routes.toml is larger than 1,000,000 bytes"),
    ],
    ids=["TOML", "UTF-8", "deep", "digits", "large"],
)
def test_a_file_that_cannot_be_read_is_a_problem(tmp_path, content, problem):
    (found,) = problems_of(tmp_path, content)
    assert found.startswith(problem)


def test_a_folder_in_the_place_of_the_file_is_a_problem(tmp_path):
    with pytest.raises(RoutesError, match="cannot be read"):
        read_routes(tmp_path, SETTINGS, {}, verbatim.problems)


TOML = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=8) | st.dates() | st.floats(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*RoutesTable.__struct_fields__, "name", "match", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


def toml(value: object) -> str:
    """Return a value as TOML writes it in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {toml(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value) if isinstance(value, str | bool) else str(value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.dictionaries(st.sampled_from(sorted(json_schema()["$defs"]["RouteTable"]["properties"])), TOML)),
    TOML,
)
def test_no_file_is_more_than_wrong(tmp_path, routes, unmatched):
    text = f"routes = {toml(routes)}\nunmatched = {toml(unmatched)}"
    # Whatever else it raised would end the test.
    with suppress(RoutesError):
        assert routes_of(tmp_path, text).routes is not None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60))
def test_no_bytes_are_more_than_wrong(tmp_path, content):
    with suppress(RoutesError):
        assert routes_of(tmp_path, MINIMAL.encode() + content).routes is not None


EXAMPLES = [file.read_text() for file in (Path("routes.toml.example"), *sorted(Path().glob("examples/*/routes.toml")))]
PIECES = st.sampled_from(
    ["", "\n", '"', "'", "=", "[", "]", "{", "}", "#", ",", "0", "-1", "true", "%", "\\", "[[routes]]"]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(EXAMPLES), st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 40), PIECES), max_size=4))
def test_no_file_that_was_right_is_more_than_wrong_after_slips_of_the_keyboard(tmp_path, text, slips):
    for anywhere, length, piece in slips:
        place = anywhere % (len(text) or 1)
        text = text[:place] + piece + text[place + length :]
    problems: list[str] = []
    try:
        routes_of(tmp_path, text)
    except RoutesError as exc:
        problems += exc.problems
    assert [problem for problem in problems if not problem.startswith("routes.toml")] == []


def test_a_digest_changes_with_what_is_done_and_with_nothing_else(tmp_path):
    def digest(text: str, env: dict[str, str] | None = None) -> str:
        return routes_of(tmp_path, text, env).routes[0].digest

    marked = MINIMAL.replace("*.txt", "*/_READY")
    same = {digest(MINIMAL), digest(MINIMAL.replace("texts", "other")), digest(marked)}
    token = MINIMAL + 'environment = { T = "%TOKEN%" }'
    assert digest(token, {"TOKEN": "1"}) == digest(token, {"TOKEN": "2"})
    changes = [
        *('pool = "p"', "priority = 1", "slots = 2", "retries = 1", 'timeout = "PT1S"', 'retention = "PT5M"'),
        *(
            'run_as = "pool"',
            'inputs = "folder"',
            "elevated = true",
            'environment = { A = "1" }',
            'environment = { A = "2" }',
        ),
    ]
    others = {digest(marked + change + "\n[pools.p]") for change in changes} | {
        digest(MINIMAL.replace('"cat"', '"cut"'))
    }
    assert len(same) == 1
    assert len(others - same) == len(changes) + 1
