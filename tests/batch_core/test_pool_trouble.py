import pytest

from batch_core.http.health import _pool_check
from batch_core.pool_trouble import pool_trouble
from batch_core.services.batch_values import NodeCounts, PoolStatus


def pool(**values: object) -> PoolStatus:
    usual = {"id": "p", "state": "active", "allocation_state": "steady", "nodes": 2, "target": 2, "errors": ()}
    return PoolStatus(**(usual | values))


@pytest.mark.parametrize(
    ("status", "counts", "trouble"),
    [
        (pool(), None, None),
        (pool(), NodeCounts(total=2, able=1, unusable=1), None),
        (pool(nodes=0, allocation_state="resizing"), None, None),
        (pool(), NodeCounts(total=2, start_task_failed=1, starting=1), "its start task failed on every node"),
        (pool(), NodeCounts(total=2, start_task_failed=1, able=1), None),
        (pool(), NodeCounts(total=2, unusable=2), "its nodes are unusable"),
        (
            pool(),
            NodeCounts(total=2, preempted=2),
            "its Spot nodes were preempted, and Batch has no others for it yet",
        ),
        (pool(), NodeCounts(total=2, preempted=1, able=1), None),
        (pool(nodes=0), None, "it has no nodes, and is not getting any"),
        (pool(nodes=2), NodeCounts(), "it has no nodes, and is not getting any"),
        (pool(state="deleting", errors=("a: b",)), None, "the pool is being deleted"),
        (pool(errors=("a: b", "c: d")), None, "it cannot get its nodes (a: b; c: d)"),
    ],
    ids=str,
)
def test_the_trouble_of_a_pool_is_said_in_a_sentence(status, counts, trouble):
    assert pool_trouble(status, counts) == trouble


def test_a_pool_in_a_state_that_the_app_does_not_know_is_not_well():
    assert _pool_check(pool()).is_ok
    assert not _pool_check(pool(state="hibernating")).is_ok
