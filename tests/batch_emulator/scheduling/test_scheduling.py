from pathlib import Path

import pytest
from azure.batch.models import BatchAffinityInfo, BatchTaskCreateOptions, BatchTaskSchedulingPolicy

from batch_emulator.execution.directories import NodeDirectory
from batch_emulator.execution.environment import Place
from batch_emulator.scheduling.capacity import Node, Pool
from batch_emulator.values.states import NodeFillType
from tests.batch_emulator.conftest import until


def pool_of(fill, *used):
    nodes = [
        Node(
            no=number,
            place=Place(
                pool_id="p",
                node_id=f"n{number}",
                is_dedicated=True,
                directory=NodeDirectory(root=Path("/nowhere")),
            ),
            slots=4,
            used=slots,
        )
        for number, slots in enumerate(used)
    ]
    return Pool(no=1, id="p", slots_per_node=4, fill=fill, nodes=nodes)


@pytest.mark.parametrize(
    ("fill", "used", "slots", "affinity", "expected"),
    [
        (NodeFillType.SPREAD, (1, 0, 2), 1, None, 1),
        (NodeFillType.SPREAD, (0, 0, 0), 1, None, 0),
        (NodeFillType.PACK, (1, 0, 2), 1, None, 2),
        (NodeFillType.PACK, (1, 0, 4), 1, None, 0),
        (NodeFillType.PACK, (1, 0, 2), 4, None, 1),
        (NodeFillType.SPREAD, (1, 0, 2), 1, "TVM:n2", 2),
        (NodeFillType.SPREAD, (1, 0, 4), 1, "TVM:n2", 1),
        (NodeFillType.SPREAD, (1, 1, 1), 4, None, None),
    ],
)
def test_a_node_is_chosen_by_room_affinity_and_policy(fill, used, slots, affinity, expected):
    node = pool_of(fill, *used).choose(slots, affinity)
    assert (None if node is None else node.no) == expected


async def nodes_of(batch, job, count):
    async def look():
        tasks = [task async for task in batch.client.list_tasks(job, filter="state eq 'running'")]
        return [task.node_info.node_id for task in tasks] if len(tasks) == count else None

    return await until(look)


@pytest.mark.parametrize(("fill", "nodes"), [("pack", 1), ("spread", 2)])
async def test_tasks_are_packed_or_spread(batch, fill, nodes):
    policy = BatchTaskSchedulingPolicy(node_fill_type=fill)
    pool = await batch.ready_pool(2, task_slots_per_node=2, task_scheduling_policy=policy)
    job = await batch.job(pool)
    for number in range(2):
        await batch.task(job, "/bin/sleep 60", f"t{number}")
    assert len(set(await nodes_of(batch, job, 2))) == nodes


async def test_a_task_goes_to_the_node_it_asks_for(batch):
    pool = await batch.ready_pool(3)
    last_node = [node.affinity_id async for node in batch.client.list_nodes(pool)][-1]
    job = await batch.job(pool)
    task = await batch.run(job, "/bin/true", affinity_info=BatchAffinityInfo(affinity_id=last_node))
    assert task.node_info.affinity_id == last_node


async def test_slots_limit_what_runs_at_once(batch):
    pool = await batch.ready_pool(1, task_slots_per_node=4)
    job = await batch.job(pool)
    for name, slots in (("a", 2), ("b", 1), ("c", 2), ("d", 1)):
        await batch.task(job, "/bin/sleep 60", name, required_slots=slots)
    await nodes_of(batch, job, 2)
    # c has to wait for a second slot, and d does not overtake it.
    running = [task.id async for task in batch.client.list_tasks(job, filter="state eq 'running'")]
    assert running == ["a", "b"]
    (node,) = [node async for node in batch.client.list_nodes(pool)]
    assert (node.state, node.running_tasks_count, node.running_task_slots_count) == ("running", 2, 3)
    await batch.client.terminate_task(job, "b")
    await batch.state(job, "running", "c")


async def test_a_task_that_fits_no_node_holds_up_nobody(batch):
    pool = await batch.ready_pool(1, task_slots_per_node=1)
    job = await batch.job(pool)
    await batch.task(job, "/bin/true", "giant", required_slots=2)
    await batch.run(job, "/bin/true", "small")
    assert (await batch.client.get_task(job, "giant")).state == "active"


async def test_urgent_jobs_go_first_and_tasks_in_order_of_adding(batch):
    pool = await batch.ready_pool(1)
    blocker = await batch.job(pool)
    await batch.task(blocker, "/bin/sleep 60")
    await batch.state(blocker, "running")
    low = await batch.job(pool, priority=-10)
    high = await batch.job(pool, priority=10)
    command = "/bin/sh -c 'echo $AZ_BATCH_JOB_ID/$AZ_BATCH_TASK_ID >> $AZ_BATCH_NODE_SHARED_DIR/order'"
    for job in (low, high):
        for task in ("z", "a"):
            await batch.task(job, command, task)
    await batch.client.terminate_task(blocker, "task")
    await batch.state(low, "completed", "a")
    job = await batch.job(pool)
    await batch.run(job, "/bin/sh -c 'cat $AZ_BATCH_NODE_SHARED_DIR/order'")
    order = (await batch.output(job)).split()
    assert order == [f"{high}/z", f"{high}/a", f"{low}/z", f"{low}/a"]


async def test_a_job_may_limit_its_parallel_tasks(batch):
    pool = await batch.ready_pool(1, task_slots_per_node=4)
    job = await batch.job(pool, max_parallel_tasks=1)
    for name in ("a", "b"):
        await batch.task(job, "/bin/sleep 60", name)
    await nodes_of(batch, job, 1)
    other = await batch.job(pool)
    await batch.run(other, "/bin/true")
    assert (await batch.client.get_task(job, "b")).state == "active"


async def test_many_tasks_run_to_the_end_on_few_slots(batch, pool):
    job = await batch.job(pool)
    tasks = [BatchTaskCreateOptions(id=f"t{number}", command_line="/bin/true") for number in range(300)]
    await batch.client.create_tasks(job, tasks)

    async def all_completed():
        counts = (await batch.client.get_job_task_counts(job)).task_counts
        return counts if counts.completed == 300 else None

    counts = await until(all_completed, 30)
    assert (counts.succeeded, counts.failed, counts.active, counts.running) == (300, 0, 0, 0)
