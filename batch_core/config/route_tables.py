"""The words of `routes.toml`.

What each may hold and what it means is said once, here: problems, the JSON Schema for editors and the tables of
`docs/routes.md` follow it.
"""

from datetime import timedelta
from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from batch_core.config.pools import MAX_SLOTS, MOST_NODES, Fill
from batch_core.config.route_checks import (
    wrong_command,
    wrong_duration,
    wrong_environment,
    wrong_globs,
    wrong_outputs,
    wrong_path,
    wrong_pool_ids,
    wrong_route_command,
    wrong_url,
)
from batch_core.config.routes import InputAfter, Inputs, OutputsOn, RunAs, Stdout, Unmatched
from batch_core.config.settings import AN_IMAGE, IMAGE_PATTERN
from batch_core.config.tables import CHECK, HEADER, IS_HIDDEN, ITEM, PLACE, RULE

MAX_ROUTES: Final = 200
MAX_POOLS: Final = 50
#: Ends the description of each word whose texts may name settings.
NAMES_SETTINGS: Final = "%NAME% in it stands in for the setting NAME, and %% for a percent sign."
A_NODE_COUNT: Final = f"a whole number of nodes, at most {MOST_NODES}"

_Glob = Annotated[str, Meta(min_length=1, max_length=1024)]
_Duration = Annotated[
    timedelta, Meta(extra={RULE: "an ISO 8601 duration of days, hours, minutes and seconds, such as PT20M"})
]


class ResourceTable(Struct, forbid_unknown_fields=True, kw_only=True):
    """Something that a node downloads beside the file: one of `url`, `container` and `auto_storage`."""

    url: Annotated[
        str,
        Meta(
            max_length=4096,
            description=f"The URL of a file. {NAMES_SETTINGS}",
            extra={RULE: "the URL of a file", IS_HIDDEN: True, CHECK: wrong_url},
        ),
    ] = ""
    container: Annotated[
        str,
        Meta(
            max_length=4096,
            description=(
                "The URL of a container, of which everything is downloaded, or what begins with `prefix`."
                f" {NAMES_SETTINGS}"
            ),
            extra={RULE: "the URL of a container", IS_HIDDEN: True, CHECK: wrong_url},
        ),
    ] = ""
    auto_storage: Annotated[
        str,
        Meta(
            pattern="^([a-z0-9](-?[a-z0-9])*)?$",
            max_length=63,
            description="The name of a container in the Storage account that is linked to the Batch account.",
            extra={RULE: "the name of a container"},
        ),
    ] = ""
    prefix: Annotated[
        str,
        Meta(
            max_length=1024,
            description=f"What the names of the container's blobs begin with. {NAMES_SETTINGS}",
            extra={RULE: "a text"},
        ),
    ] = ""
    path: Annotated[
        str,
        Meta(
            max_length=1024,
            description=(
                "Where it is put, relative to the task's working directory; of a container, the folder."
                f" {NAMES_SETTINGS}"
            ),
            extra={RULE: "a relative path", CHECK: wrong_path},
        ),
    ] = ""
    identity: Annotated[
        bool,
        Meta(
            description="Whether it is read as the pool's identity, which POOL_IDENTITY_RESOURCE_ID names.",
            extra={RULE: "true or false"},
        ),
    ] = False


class RouteTable(Struct, forbid_unknown_fields=True, kw_only=True):
    """What happens to the files whose names match."""

    name: Annotated[
        str,
        Meta(
            pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$",
            description="What records and logs call the route.",
            extra={RULE: "1 to 32 letters, digits, hyphens and underscores, a letter or digit first"},
        ),
    ]
    match: Annotated[
        _Glob | Annotated[list[_Glob], Meta(min_length=1, max_length=100)],
        Meta(
            description="Globs over the blob's name: * stays in a folder, ** crosses folders.",
            extra={RULE: "a glob such as photos/**/*.jpg, or a list of 1 to 100 of them", CHECK: wrong_globs},
        ),
    ]
    inputs: Annotated[
        Inputs,
        Meta(
            description=(
                "file: each file that matches makes a task. folder: what matches is a marker such as _READY, and all"
                " other files of its folder are one task's."
            ),
            extra={RULE: "file or folder"},
        ),
    ] = Inputs.FILE
    command: Annotated[
        str,
        Meta(
            max_length=10_000,
            description=(
                "The command line, which no shell reads unless it names one. It finds its file as INPUT_FILE."
                " Empty, with an image: the image's entry point."
            ),
            extra={RULE: "a command line such as /bin/bash -c 'wc \"$INPUT_FILE\"'", CHECK: wrong_route_command},
        ),
    ]
    pool: (
        Annotated[
            str,
            Meta(
                pattern="^[A-Za-z0-9_-]{1,64}$",
                description="The pool that it runs on: one of `pools`; without it, the pool that BATCH_POOL_ID names.",
                extra={RULE: "the id of a pool: 1 to 64 letters, digits, hyphens and underscores"},
            ),
        ]
        | UnsetType
    ) = UNSET
    environment: Annotated[
        dict[str, Annotated[str, Meta(extra={RULE: "a text, in quotes"})]],
        Meta(
            max_length=100,
            description=f"Environment variables of the command. {NAMES_SETTINGS}",
            extra={RULE: "a table of up to 100 names and texts", IS_HIDDEN: True, CHECK: wrong_environment},
        ),
    ] = {}
    slots: Annotated[
        int,
        Meta(
            ge=1,
            le=MAX_SLOTS,
            description="How many task slots of a node the command takes.",
            extra={RULE: f"a whole number from 1 to {MAX_SLOTS}"},
        ),
    ] = 1
    priority: Annotated[
        int,
        Meta(
            ge=-1000,
            le=1000,
            description="Tasks of a higher priority start first. It is a property of the job that they share.",
            extra={RULE: "a whole number from -1000 to 1000"},
        ),
    ] = 0
    retries: Annotated[
        int,
        Meta(
            ge=0,
            le=100,
            description="How often Batch runs the command again if it fails.",
            extra={RULE: "a whole number from 0 to 100"},
        ),
    ] = 0
    lost_output_retries: Annotated[
        int,
        Meta(
            ge=0,
            le=10,
            description="How often a file is run again by itself, as a new task, if its output is lost.",
            extra={RULE: "a whole number from 0 to 10"},
        ),
    ] = 0
    timeout: (
        Annotated[
            _Duration,
            Meta(
                description="A command that runs longer is stopped; without it, TASK_MAX_WALL_CLOCK_TIME counts.",
                extra={CHECK: wrong_duration(timedelta(seconds=1))},
            ),
        ]
        | UnsetType
    ) = UNSET
    retention: (
        Annotated[
            _Duration,
            Meta(
                description="How long the node keeps the task's files; without it, TASK_RETENTION_TIME counts.",
                extra={CHECK: wrong_duration(timedelta(minutes=1))},
            ),
        ]
        | UnsetType
    ) = UNSET
    run_as: Annotated[
        RunAs,
        Meta(
            description="task: a user of its own for each task. pool: one user for all tasks of a node.",
            extra={RULE: "task or pool"},
        ),
    ] = RunAs.TASK
    elevated: Annotated[
        bool, Meta(description="Whether that user is an administrator (root).", extra={RULE: "true or false"})
    ] = False
    image: Annotated[
        str,
        Meta(
            max_length=512,
            pattern=r"^([A-Za-z0-9][A-Za-z0-9._/:@-]*)?$",
            description="The container image that the command runs in, on a pool with `container_images`.",
            extra={RULE: "the name of an image such as mcr.microsoft.com/azurelinux/base/core:3.0"},
        ),
    ] = ""
    image_options: Annotated[
        str,
        Meta(
            max_length=1024,
            description="Options of `docker run`, such as --gpus all.",
            extra={RULE: "a text of up to 1,024 characters"},
        ),
    ] = ""
    image_identity: Annotated[
        bool,
        Meta(
            description="Whether the image is pulled as the pool's identity, which POOL_IDENTITY_RESOURCE_ID names.",
            extra={RULE: "true or false"},
        ),
    ] = False
    resources: Annotated[
        list[ResourceTable],
        Meta(
            max_length=100,
            description="What the node downloads beside the file: scripts, models.",
            extra={RULE: 'a list of up to 100 tables such as { url = "...", path = "tool.py" }', ITEM: "resource"},
        ),
    ] = []
    outputs: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=200)]],
        Meta(
            max_length=50,
            description="Patterns of files, relative to the working directory, that the node uploads.",
            extra={RULE: "a list of up to 50 patterns such as results/**/*.csv", CHECK: wrong_outputs},
        ),
    ] = []
    input_after: Annotated[
        InputAfter,
        Meta(
            description="keep, or delete: a file is deleted once it has succeeded and all its output has arrived.",
            extra={RULE: "keep or delete"},
        ),
    ] = InputAfter.KEEP
    stdout: Annotated[
        Stdout,
        Meta(
            description=(
                "copy: the app copies what the command prints. upload: the node uploads it, so that a node that"
                " vanishes loses nothing."
            ),
            extra={RULE: "copy or upload"},
        ),
    ] = Stdout.COPY
    outputs_on: Annotated[
        OutputsOn,
        Meta(
            description="When they are uploaded: on success, on failure, or on completion, which is both.",
            extra={RULE: "success, failure or completion"},
        ),
    ] = OutputsOn.SUCCESS
    batch: Annotated[
        dict[str, Any],
        Meta(
            max_length=50,
            description=(
                "Any other property of a task as Batch's REST API names it, such as multiInstanceSettings."
                f" {NAMES_SETTINGS}"
            ),
            extra={RULE: "a table of properties of a Batch task", IS_HIDDEN: True},
        ),
    ] = {}


class ScaleTable(Struct, forbid_unknown_fields=True, kw_only=True):
    """Bounds within which the app sets the number of nodes by the task slots that open tasks need."""

    min: Annotated[
        int, Meta(ge=0, le=MOST_NODES, description="Never fewer nodes than this.", extra={RULE: A_NODE_COUNT})
    ] = 0
    max: Annotated[
        int, Meta(ge=1, le=MOST_NODES, description="Never more nodes than this.", extra={RULE: A_NODE_COUNT})
    ]
    spot: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="The share of Spot nodes, which are cheaper and may be taken away.",
            extra={RULE: "a share from 0 to 1"},
        ),
    ] = 0.0


class StartTaskTable(Struct, forbid_unknown_fields=True, kw_only=True):
    """What runs on each node before any task does."""

    command: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=10_000,
            description="The command line; a node takes tasks when it has succeeded.",
            extra={RULE: "a command line such as /bin/bash -c 'apt-get install -y ffmpeg'", CHECK: wrong_command},
        ),
    ]
    elevated: Annotated[
        bool, Meta(description="Whether it runs as an administrator (root).", extra={RULE: "true or false"})
    ] = False


class PoolTable(Struct, forbid_unknown_fields=True, kw_only=True):
    """A pool that routes name: `setup` makes it, `teardown` removes it. What it leaves out is as in the settings."""

    existing: Annotated[
        bool,
        Meta(
            description="Somebody else makes, changes and removes it; of the words below only `scale` is allowed.",
            extra={RULE: "true or false"},
        ),
    ] = False
    vm_size: (
        Annotated[
            str,
            Meta(
                pattern="^[A-Za-z0-9_-]{1,64}$",
                description="The VM size of its nodes; without it, POOL_VM_SIZE.",
                extra={RULE: "a VM size such as STANDARD_D2S_V3"},
            ),
        ]
        | UnsetType
    ) = UNSET
    image: (
        Annotated[
            str,
            Meta(
                pattern=f"^({IMAGE_PATTERN})$",
                description="publisher:offer:sku:version, or an image's resource id; without it, POOL_IMAGE.",
                extra={RULE: AN_IMAGE},
            ),
        ]
        | UnsetType
    ) = UNSET
    node_agent: (
        Annotated[
            str,
            Meta(
                pattern=r"^[A-Za-z0-9._-]+( [A-Za-z0-9._-]+)*$",
                max_length=200,
                description="The node agent that fits the image; without it, POOL_NODE_AGENT_SKU.",
                extra={RULE: "a node agent SKU such as batch.node.ubuntu 24.04"},
            ),
        ]
        | UnsetType
    ) = UNSET
    slots_per_node: (
        Annotated[
            int,
            Meta(
                ge=1,
                le=MAX_SLOTS,
                description="How many task slots a node has; without it, POOL_TASK_SLOTS_PER_NODE.",
                extra={RULE: f"a whole number from 1 to {MAX_SLOTS}"},
            ),
        ]
        | UnsetType
    ) = UNSET
    fill: Annotated[
        Fill,
        Meta(
            description="spread: over as many nodes as there are. pack: one node is filled before the next.",
            extra={RULE: "spread or pack"},
        ),
    ] = Fill.SPREAD
    nodes: (
        Annotated[
            int,
            Meta(
                ge=0,
                le=MOST_NODES,
                description="A fixed number of dedicated nodes; without it, POOL_NODE_COUNT.",
                extra={RULE: A_NODE_COUNT},
            ),
        ]
        | UnsetType
    ) = UNSET
    scale: (
        Annotated[
            ScaleTable,
            Meta(
                description="In place of `nodes`: the app sets the number of nodes by the work that there is.",
                extra={RULE: "a table such as { min = 0, max = 20 }"},
            ),
        ]
        | UnsetType
    ) = UNSET
    formula: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=10_000,
                description="In place of `nodes`: Batch evaluates this autoscale formula every five minutes.",
                extra={RULE: "an autoscale formula of Batch"},
            ),
        ]
        | UnsetType
    ) = UNSET
    start_task: (
        Annotated[
            StartTaskTable,
            Meta(
                description="What runs on each node before any task does.",
                extra={RULE: 'a table such as { command = "...", elevated = true }'},
            ),
        ]
        | UnsetType
    ) = UNSET
    packages: Annotated[
        list[Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{1,64}(:[A-Za-z0-9._-]{1,64})?$")]],
        Meta(
            max_length=100,
            description="Application packages of the Batch account, as id or id:version.",
            extra={RULE: "a list of application packages such as ffmpeg or ffmpeg:7.0"},
        ),
    ] = []
    subnet: (
        Annotated[
            str,
            Meta(
                pattern=(
                    "^(?i:/subscriptions/[^/]+/resourcegroups/[^/]+/providers/microsoft.network/virtualnetworks/"
                    "[^/]+/subnets/[^/]+)$"
                ),
                description="The ARM id of the subnet that its nodes are in.",
                extra={RULE: "the ARM id of a subnet: /subscriptions/.../virtualNetworks/.../subnets/..."},
            ),
        ]
        | UnsetType
    ) = UNSET
    container_images: (
        Annotated[
            list[Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/:@-]*$", max_length=512)]],
            Meta(
                max_length=100,
                description="Makes it a pool for containers; these images are pulled before any task needs them.",
                extra={RULE: "a list of up to 100 images, which may be empty"},
            ),
        ]
        | UnsetType
    ) = UNSET
    inter_node: Annotated[
        bool,
        Meta(description="Whether its nodes can talk to each other, for MPI.", extra={RULE: "true or false"}),
    ] = False
    batch: Annotated[
        dict[str, Any],
        Meta(
            max_length=50,
            description=(
                "Any other property of a pool as Batch's REST API names it, such as mountConfiguration."
                f" {NAMES_SETTINGS}"
            ),
            extra={RULE: "a table of properties of a Batch pool", IS_HIDDEN: True},
        ),
    ] = {}


class RoutesTable(Struct, forbid_unknown_fields=True, kw_only=True):
    """What happens to which file: the first route that matches a blob's name takes it."""

    routes: Annotated[
        list[RouteTable],
        Meta(
            max_length=MAX_ROUTES,
            description="The routes, in the order in which they are asked.",
            extra={
                RULE: f"a list of up to {MAX_ROUTES} tables, each begun by [[routes]], two brackets",
                ITEM: "route",
                PLACE: "at the top of the file: each route begins with [[routes]], two brackets",
                HEADER: "[[routes]]",
            },
        ),
    ] = []
    pools: Annotated[
        dict[str, PoolTable],
        Meta(
            max_length=MAX_POOLS,
            description="The pools that routes name, by their ids.",
            extra={
                RULE: f"a table of up to {MAX_POOLS} pools, each begun by [pools.ID], one bracket",
                ITEM: "pool",
                CHECK: wrong_pool_ids,
                PLACE: "at the top of the file: each pool begins with [pools.ID], one bracket",
                HEADER: "[pools.ID]",
            },
        ),
    ] = {}
    unmatched: Annotated[
        Unmatched,
        Meta(
            description=(
                "What happens to a file that no route matches. settings: what TASK_COMMAND_LINE says. ignore: nothing."
                " reject: a record says that it was rejected."
            ),
            extra={
                RULE: "settings, ignore or reject",
                PLACE: "at the top of the file, before the first [[routes]] or [pools.ID]",
            },
        ),
    ] = Unmatched.SETTINGS
