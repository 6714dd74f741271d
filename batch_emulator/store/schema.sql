-- One row per resource: what the client sent as a JSON document, and beside it, as columns, what
-- changes, what is filtered on and what the scheduler asks for. Ids compare without case.
-- Times are ISO 8601 texts of fixed width, which sort as times do.

CREATE TABLE IF NOT EXISTS pools (
    no INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE COLLATE NOCASE,
    document TEXT NOT NULL,
    created TEXT NOT NULL,
    modified TEXT NOT NULL,
    state TEXT NOT NULL,
    state_time TEXT NOT NULL,
    allocation_state TEXT NOT NULL,
    allocation_time TEXT NOT NULL,
    vm_size TEXT NOT NULL COLLATE NOCASE,
    auto_scale INTEGER NOT NULL,
    inter_node INTEGER NOT NULL,
    resize_errors TEXT,
    auto_scale_run TEXT
) STRICT;

CREATE TABLE IF NOT EXISTS nodes (
    no INTEGER PRIMARY KEY,
    pool_no INTEGER NOT NULL REFERENCES pools (no),
    id TEXT NOT NULL COLLATE NOCASE,
    dedicated INTEGER NOT NULL,
    state TEXT NOT NULL,
    state_time TEXT NOT NULL,
    boot_time TEXT NOT NULL,
    allocation_time TEXT NOT NULL,
    start_task_info TEXT,
    scheduling TEXT NOT NULL DEFAULT 'enabled',
    errors TEXT,
    tasks_run INTEGER NOT NULL DEFAULT 0,
    tasks_succeeded INTEGER NOT NULL DEFAULT 0,
    UNIQUE (pool_no, id)
) STRICT;

-- Who may log on to a node: passwords and keys are not kept.
CREATE TABLE IF NOT EXISTS node_users (
    node_no INTEGER NOT NULL REFERENCES nodes (no),
    name TEXT NOT NULL COLLATE NOCASE,
    admin INTEGER NOT NULL,
    expires TEXT NOT NULL,
    PRIMARY KEY (node_no, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS jobs (
    no INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE COLLATE NOCASE,
    document TEXT NOT NULL,
    created TEXT NOT NULL,
    modified TEXT NOT NULL,
    state TEXT NOT NULL,
    state_time TEXT NOT NULL,
    previous_state TEXT,
    previous_time TEXT,
    pool_id TEXT NOT NULL COLLATE NOCASE,
    priority INTEGER NOT NULL,
    max_parallel INTEGER NOT NULL,
    ends_with_tasks INTEGER NOT NULL,
    expires TEXT,
    ended TEXT,
    terminate_reason TEXT
) STRICT;

CREATE INDEX IF NOT EXISTS jobs_by_pool ON jobs (pool_id, state);
CREATE INDEX IF NOT EXISTS jobs_that_expire ON jobs (expires) WHERE expires IS NOT NULL;

-- Its jobs are found by their ids, which begin with the schedule's id and a colon.
CREATE TABLE IF NOT EXISTS job_schedules (
    no INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE COLLATE NOCASE,
    document TEXT NOT NULL,
    created TEXT NOT NULL,
    modified TEXT NOT NULL,
    state TEXT NOT NULL,
    state_time TEXT NOT NULL,
    previous_state TEXT,
    previous_time TEXT,
    anchor TEXT NOT NULL,
    last_run TEXT,
    jobs_made INTEGER NOT NULL,
    recent_job TEXT,
    pool_id TEXT,
    ended TEXT,
    wake TEXT
) STRICT;

CREATE INDEX IF NOT EXISTS job_schedules_that_wake ON job_schedules (wake) WHERE wake IS NOT NULL;

CREATE TABLE IF NOT EXISTS tasks (
    no INTEGER PRIMARY KEY,
    job_no INTEGER NOT NULL REFERENCES jobs (no),
    id TEXT NOT NULL COLLATE NOCASE,
    document TEXT NOT NULL,
    created TEXT NOT NULL,
    modified TEXT NOT NULL,
    state TEXT NOT NULL,
    state_time TEXT NOT NULL,
    previous_state TEXT,
    previous_time TEXT,
    required_slots INTEGER NOT NULL,
    started TEXT,
    ended TEXT,
    exit_code INTEGER,
    result TEXT,
    failure TEXT,
    retries INTEGER NOT NULL DEFAULT 0,
    last_retry TEXT,
    requeues INTEGER NOT NULL DEFAULT 0,
    last_requeue TEXT,
    pool_id TEXT,
    node_id TEXT COLLATE NOCASE,
    files_until TEXT,
    waits_for INTEGER NOT NULL DEFAULT 0,
    satisfies INTEGER NOT NULL DEFAULT 0,
    instances INTEGER NOT NULL DEFAULT 0,
    UNIQUE (job_no, id)
) STRICT;

-- "Newly completed tasks", and all that happened since a time, in the order of these times.
CREATE INDEX IF NOT EXISTS tasks_by_time ON tasks (job_no, state_time, id, state);
-- Pages of the tasks in one state, in the order of lists; the last two columns let counts be answered
-- from the index alone.
CREATE INDEX IF NOT EXISTS tasks_in_state ON tasks (job_no, state, id, result, required_slots);
CREATE INDEX IF NOT EXISTS tasks_failed ON tasks (job_no, id) WHERE result = 'failure';
-- The scheduler's queue: in order of adding.
CREATE INDEX IF NOT EXISTS tasks_waiting ON tasks (job_no, no) WHERE state = 'active' AND waits_for = 0;
CREATE INDEX IF NOT EXISTS tasks_running ON tasks (node_id) WHERE state IN ('preparing', 'running');
CREATE INDEX IF NOT EXISTS tasks_with_files ON tasks (files_until) WHERE files_until IS NOT NULL;

-- What waiting tasks wait for: see dependencies.py.
CREATE TABLE IF NOT EXISTS dependencies (
    job_no INTEGER NOT NULL,
    cause TEXT NOT NULL COLLATE NOCASE,
    task_no INTEGER NOT NULL,
    PRIMARY KEY (job_no, cause, task_no)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS dependencies_of_task ON dependencies (task_no);

CREATE TABLE IF NOT EXISTS dependency_ranges (
    job_no INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    watched INTEGER NOT NULL,
    PRIMARY KEY (job_no, first, last)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS dependency_ranges_watched ON dependency_ranges (job_no, watched, first);

CREATE TABLE IF NOT EXISTS satisfied_spans (
    job_no INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (job_no, first)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS job_nodes (
    job_no INTEGER NOT NULL REFERENCES jobs (no),
    id TEXT NOT NULL COLLATE NOCASE,
    pool_id TEXT NOT NULL COLLATE NOCASE,
    preparation TEXT NOT NULL,
    release TEXT,
    PRIMARY KEY (job_no, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS subtasks (
    job_no INTEGER NOT NULL,
    task_no INTEGER NOT NULL,
    id INTEGER NOT NULL,
    pool_id TEXT NOT NULL,
    node_id TEXT NOT NULL,
    info TEXT NOT NULL,
    PRIMARY KEY (job_no, task_no, id)
) STRICT, WITHOUT ROWID;
