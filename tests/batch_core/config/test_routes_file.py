import json
import re
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_core.config.pools import Fill, Pool, Scale, StartTask, settings_pool
from batch_core.config.route_tables import (
    PoolTable,
    ResourceTable,
    RoutesTable,
    RouteTable,
    ScaleTable,
    StartTaskTable,
)
from batch_core.config.routes import JobKind, RunAs, Unmatched, settings_route
from batch_core.config.routes_document import MAX_FILE_SIZE
from batch_core.config.routes_file import json_schema, read_routes
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
    *[
        (text, f"routes.toml, routes is {found}: it must be a list of up to 200 tables, each begun by [[routes]], two")
        for text, found in [
            ("routes = 1", "1"),
            ("[routes]\nname = 'a'", "a table"),
            ("[routes.a]\nmatch = '*'", "a table"),
            ("[routes.resources]", "a table"),
            ("[[routes.batch]]", "a table"),
        ]
    ],
    ("routes = [" + "{}," * 201 + "]", "routes.toml, routes has 201 entries: it must be a list of up to 200 tables"),
    (
        "[pools]\n" + "".join(f"p{n} = {{}}\n" for n in range(51)),
        "routes.toml, pools has 51 entries: it must be a table",
    ),
    (
        MINIMAL + "[routes.resources]\nurl = 'https://a'",
        "routes.toml, route 'texts', resources is a table: it must be a list of up to 100 tables such as",
    ),
    (
        MINIMAL + "[[routes.batch]]",
        "routes.toml, route 'texts', batch is a list (its values are not shown): it must be a table of properties",
    ),
    (
        "[[pools]]\nnodes = 1",
        "routes.toml, pools is a list: it must be a table of up to 50 pools, each begun by [pools.ID]",
    ),
    ("[[pools.q]]\nnodes = 1", "routes.toml, pool 'q' is a list: it must be a table, begun by [pools.q], one bracket"),
    ("[[pools.q.scale]]\nmax = 1", "routes.toml, pool 'q', scale is a list: it must be a table such as { min = 0, max"),
    ("[[pools.q.start_task]]", "routes.toml, pool 'q', start_task is a list: it must be a table such as { command"),
    ("[pools.q]\npackages = {}", "routes.toml, pool 'q', packages is a table: it must be a list of application"),
    *[
        (
            f"{before}\n{word}",
            f"routes.toml, {table} has {word.split()[0]!r}, which belongs at the top of the file{rest}",
        )
        for before, table in [
            (MINIMAL, "route 'texts'"),
            ("[pools.q]", "pool 'q'"),
            ("[pools.q.scale]\nmax = 1", "pool 'q', scale"),
            (MINIMAL + "[[routes.resources]]\nauto_storage = 'a'", "route 'texts', resource 1"),
        ]
        for word, rest in [
            ("unmatched = 'ignore'", ", before the first [[routes]] or [pools.ID]"),
            ("routes = []", ": each route begins with [[routes]], two brackets"),
            ("pools = {}", ": each pool begins with [pools.ID], one bracket"),
        ]
    ],
    ("command = 'cat'", "routes.toml has 'command', which belongs below [[routes]]"),
    ("vm_size = 'a'", "routes.toml has 'vm_size', which belongs below [pools.ID]"),
    ("image = 'a'", "routes.toml has 'image', which belongs below [[routes]] or [pools.ID]"),
    (
        "[pools.q.scale]\nmax = 1\nvm_size = 'a'",
        "routes.toml, pool 'q', scale has 'vm_size', which belongs to pool 'q' itself, before the tables in it",
    ),
    (
        "[pools.q]\nvm_size = 'a'\nscale = { max = 1, vm_size = 'a' }",
        "routes.toml, pool 'q', scale has 'vm_size', which means nothing here: there are min, max, spot",
    ),
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
    ("pools = 1", "routes.toml, pools is 1: it must be a table of up to 50 pools, each begun by [pools.ID]"),
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
            (
                "container = '%NO_SUCH%'",
                ", container names the setting NO_SUCH, which is not set (a % itself is written",
            ),
            ("container = '%20a'", ", container is no URL: it begins with https://"),
            ("auto_storage = 'a', prefix = 'caf%E4pfel%'", ", prefix names the setting E4pfel, which is not set (a %"),
            ("url = 5, path = 'a'", ", url is not valid (its value is not shown): it must be the URL of a file"),
            ("url = ['a'], path = 'a'", ", url is a list (its values are not shown): it must be the URL of a file"),
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
    (
        MINIMAL + "slots = 8\npool = 'Q'\n[pools.q]\nslots_per_node = 4",
        "routes.toml, route 'texts', slots is 8, and a node of pool 'Q' has 4",
    ),
    (
        MINIMAL + "slots = 2\npool = 'q'\n[pools.q]",
        "routes.toml, route 'texts', slots is 2, and a node of pool 'q' has 1 (POOL_TASK_SLOTS_PER_NODE)",
    ),
    (
        MINIMAL + "slots = 2",
        "routes.toml, route 'texts', slots is 2, and a node of pool 'files-pool' has 1 (POOL_TASK_SLOTS_PER_NODE)",
    ),
    (
        MINIMAL.replace("cat", "wc $INPUT_FILE"),
        "routes.toml, route 'texts', command holds $INPUT_FILE, which nothing expands, as Batch starts no shell: write",
    ),
    (
        MINIMAL.replace("cat", "wc -$KIND x") + "environment = { KIND = 'w' }",
        "routes.toml, route 'texts', command holds $KIND, which nothing expands",
    ),
    (
        "[pools.q]\nstart_task = { command = 'ls ${AZ_BATCH_NODE_SHARED_DIR}' }",
        "routes.toml, pool 'q', start_task, command holds ${AZ_BATCH_NODE_SHARED_DIR}, which nothing expands",
    ),
    (
        MINIMAL.replace("cat", "bash -c 'wc $INPUT_FOLDER/*'"),
        "routes.toml, route 'texts', command uses INPUT_FOLDER, which only a route with inputs = \"folder\" sets: the",
    ),
    (
        MINIMAL.replace("cat", "bash -c 'wc $INPUT_FILE'").replace("*.txt", "*/_READY") + "inputs = 'folder'",
        "routes.toml, route 'texts', command uses INPUT_FILE, which a route with inputs = \"folder\" does not set: its",
    ),
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
        MINIMAL + "environment = { A = 1, B = '' }",
        "routes.toml, route 'texts', environment, A is not valid (its value is not shown): it must be a text, in",
    ),
    (
        MINIMAL + "environment = { 'A B' = ['s3cret'] }",
        "routes.toml, route 'texts', environment, 'A B' is a list (its values are not shown): it must be a text, in",
    ),
    (
        MINIMAL + "environment = 's3cret'",
        "routes.toml, route 'texts', environment is not valid (its values are not shown): it must be a table",
    ),
    (
        MINIMAL + "environment = ['s3cret']",
        "routes.toml, route 'texts', environment is a list (its values are not shown): it must be a table",
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
        (b"slots = 0x" + b"f" * 5000, "routes.toml is not TOML: slots has a number of more than 64 bits"),
        (b"a.b = [[9223372036854775808]]", "routes.toml is not TOML: b has a number of more than 64 bits"),
        (b"\xff\xfe", "routes.toml is not UTF-8"),
        (b"a = " + b"[" * 5000, "routes.toml is not valid: it is nested too deeply"),
        (b"a = " + b"1" * 5000, "routes.toml is not TOML: "),
        (b"#" * (MAX_FILE_SIZE + 1), "routes.toml is larger than 1,000,000 bytes"),
    ],
    ids=["TOML", "hexadecimal", "65 bits", "UTF-8", "deep", "digits", "large"],
)
def test_a_file_that_cannot_be_read_is_a_problem(tmp_path, content, problem):
    (found,) = problems_of(tmp_path, content)
    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            MINIMAL + "[routes]",
            "Cannot declare ('routes',) twice (at line 5, column 8): each route begins with [[routes]], two",
        ),
        (
            "[routes]\r\n\r\n[routes]",
            "Cannot declare ('routes',) twice (at line 3, column 8): each route begins with [[rou",
        ),
        (
            "[routes.a]\n[[routes]]",
            "Cannot overwrite a value (at line 2, column 9): each route begins with [[routes]], two",
        ),
        ("[[routes]", "Expected ']]' at the end of an array declaration (at line 1, column 9): each route begins with"),
        (
            "[pools.q]\n[[pools]]",
            "Cannot overwrite a value (at line 2, column 8): each pool begins with [pools.ID], one",
        ),
        (
            "[pools.q]\n[pools.q]",
            "Cannot declare ('pools', 'q') twice (at line 2, column 9): each pool begins with [pools",
        ),
    ],
)
def test_a_header_that_toml_does_not_take_is_explained(tmp_path, text, problem):
    (found,) = problems_of(tmp_path, text)
    assert found.startswith(f"routes.toml is not TOML: {problem}")


def test_other_faults_of_toml_are_not_explained_by_headers(tmp_path):
    (found,) = problems_of(tmp_path, MINIMAL + "slots = \n")
    assert found == "routes.toml is not TOML: Invalid value (at line 5, column 9)"


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path):
    assert routes_of(tmp_path, b"\xef\xbb\xbf" + MINIMAL.encode()).routes[0].name == "texts"


@pytest.mark.parametrize(
    ("before", "word", "problem"),
    [
        ("", "unmatched", "routes.toml, unmatched is a table: it must be settings, ignore or reject"),
        ("", "none", "routes.toml has 'none', which means nothing here: "),
        (MINIMAL, "slots", "routes.toml, route 'texts', slots is a table: it must be a whole number from 1 to 256"),
        (MINIMAL, "outputs", "routes.toml, route 'texts', outputs is a table: it must be a list of up to 50 patterns"),
        (
            MINIMAL,
            "environment",
            "routes.toml, route 'texts', environment, a is a table (its values are not shown): it",
        ),
        (MINIMAL, "batch", "routes.toml, route 'texts', batch is nested too deeply: it must be a table of properties"),
        ("[pools.q]\n", "batch.metadata", "routes.toml, pool 'q', batch is nested too deeply: it must be a table of"),
    ],
)
def test_what_is_nested_deeply_is_no_more_than_wrong(tmp_path, before, word, problem):
    found = problems_of(tmp_path, f"{before}{word}{'.a' * 3500} = 1")
    assert [one.startswith(problem) for one in found] == [True]


def test_a_name_that_is_nested_deeply_is_no_more_than_wrong(tmp_path):
    deep = f"[[routes]]\nname{'.a' * 3500} = 1\nmatch = '*'\ncommand = 'cat'\n"
    found = problems_of(tmp_path, deep + f"image = 'a'\npool{'.a' * 3500} = 1")
    assert [one.partition(": ")[0] for one in found] == [
        "routes.toml, route 1, name is a table",
        "routes.toml, route 1, pool is a table",
    ]


def test_a_percent_sign_is_written_twice_where_it_would_name_a_setting(tmp_path):
    text = (
        MINIMAL
        + """
        environment = { DAY = "%Y%m%d", PART = "100%", NAME = "%%TOKEN%%", ALL = "%%%TOKEN%%%%", PLACE = "caf%C3%A9" }
        resources = [{ url = "https://a/%%41%TOKEN%", path = "a%%b" }, { auto_storage = "a", prefix = "%Y%%%m" }]
        [routes.batch]
        displayName = "%%TOKEN%% is 100%"
        [pools.q.batch]
        metadata = [{ name = "a", value = "%TOKEN%%%" }]
        """
    )
    found = routes_of(tmp_path, text, {"TOKEN": "%%x%TOKEN%"})
    route = found.routes[0]
    assert route.environment == {
        "DAY": "%Y%m%d",
        "PART": "100%",
        "NAME": "%TOKEN%",
        "ALL": "%%%x%TOKEN%%%",
        "PLACE": "caf%C3%A9",
    }
    assert [(one.url, one.prefix, one.path) for one in route.resources] == [
        ("https://a/%41%%x%TOKEN%", "", "a%b"),
        ("", "%Y%%m", ""),
    ]
    assert route.verbatim == {"displayName": "%TOKEN% is 100%"}
    assert found.pools[-1].verbatim == {"metadata": [{"name": "a", "value": "%%x%TOKEN%%"}]}


def test_slots_of_a_pool_that_somebody_else_made_are_not_known(tmp_path):
    text = MINIMAL + "slots = 8\npool = 'q'\n[pools.q]\nexisting = true"
    assert routes_of(tmp_path, text).routes[0].task_slots == 8
    assert routes_of(tmp_path, text.replace("existing = true", "slots_per_node = 8")).routes[0].task_slots == 8


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


def words_of(table: str):
    return st.sampled_from(sorted(json_schema()["$defs"][table]["properties"]))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.dictionaries(words_of("RouteTable"), TOML)) | TOML,
    st.dictionaries(st.sampled_from("pq"), st.dictionaries(words_of("PoolTable"), TOML)) | TOML,
    TOML,
)
def test_no_file_is_more_than_wrong(tmp_path, routes, pools, unmatched):
    text = f"routes = {toml(routes)}\npools = {toml(pools)}\nunmatched = {toml(unmatched)}"
    # Whatever else it raised would end the test.
    with suppress(RoutesError):
        assert routes_of(tmp_path, text).routes is not None


#: Tables in which words are, each with what must be around it: a word and its value go in the place of WORD.
TABLES = {
    RoutesTable: "WORD",
    RouteTable: "routes = [{ name = 'r', match = '*', command = 'cat', WORD }]",
    ResourceTable: "routes = [{ name = 'r', match = '*', command = 'cat', resources = [{ url = 'http://a', WORD }] }]",
    PoolTable: "pools = { q = { WORD } }",
    ScaleTable: "pools = { q = { scale = { WORD } } }",
    StartTaskTable: "pools = { q = { start_task = { WORD } } }",
}
PLACES = [(text, word) for table, text in TABLES.items() for word in table.__struct_fields__] + [
    (TABLES[RouteTable], "environment.A"),
    *[(TABLES[RouteTable], f"batch.{word}") for word in ("displayName", "affinityInfo", "exitConditions.default")],
    *[(TABLES[RouteTable], f"batch.{word}") for word in ("multiInstanceSettings.commonResourceFiles", "dependsOn.x")],
    *[(TABLES[PoolTable], f"batch.{word}") for word in ("metadata", "upgradePolicy.mode", "startTask.resourceFiles")],
    *[("WORD", word) for word in ("routes.x", "routes.x.y", "pools.q", "pools.q.x", "unmatched.x", "x")],
]
SHAPES = ["1", "-0.5", "nan", "true", "''", "'a'", "2026-01-01", "[]", "[1]", "['a']", "[[]]", "[[1]]"]
SHAPES += ["{}", "{ x = 1 }", "{ x = {} }", "{ x = [{}] }", "[{}]", "[{ x = 1 }]", "[{}, 1]", "[[{}]]"]


@pytest.mark.parametrize(("text", "word"), PLACES, ids=[f"{text[:5]} {word}" for text, word in PLACES])
def test_no_shape_at_any_place_is_more_than_wrong(tmp_path, text, word):
    # A word that is named already is replaced.
    others = {name: re.sub(rf"\b{name} = '[^']*', ", "", text) for name in ("name", "match", "command", "url")}
    for shape in SHAPES:
        problems: tuple[str, ...] = ()
        try:
            assert routes_of(tmp_path, others.get(word, text).replace("WORD", f"{word} = {shape}")).pools is not None
        except RoutesError as exc:
            problems = exc.problems
        assert [problem for problem in problems if not problem.startswith("routes.toml") or "TOML" in problem] == []


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
    others = {digest(f"{marked}{change}\n[pools.p]\n[pools.files-pool]\nslots_per_node = 2") for change in changes} | {
        digest(MINIMAL.replace('"cat"', '"cut"'))
    }
    assert len(same) == 1
    assert len(others - same) == len(changes) + 1
