"""A short run of `make chaos`: everything that it does happens at least once, and nothing may come of it."""

import re

import pytest

from chaos.run import Plan, run


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_while_everything_fails_at_random_no_file_is_lost_and_none_runs_twice(tmp_path):
    result = await run(Plan(seed=20261123, files=60, seconds=12, settle_seconds=200, clock_ahead=720), tmp_path)
    verdict = result.verdict
    assert list(verdict.lost) == []
    assert list(verdict.run_twice) == []
    assert list(verdict.wrong_output) == []
    assert list(verdict.uploads_lost) == []
    assert list(verdict.reasons_missing) == []
    assert list(verdict.unannounced) == []
    assert result.settled_after is not None
    assert sum(verdict.states.values()) - verdict.attempts + verdict.never_seen == result.versions >= 60
    for harm in (
        "kills of the host",
        "kills of the emulator",
        "nodes preempted",
        "events repeated",
        "events suppressed",
        "tables made again",
        "output containers made again",
    ):
        assert result.harm[harm] > 0, harm
    assert result.harm["nodes lost"] + result.harm["nodes broken for a while"] > 0
    assert verdict.detected_by["sweep"] > 0
    assert verdict.nodes_removed > 0
    logs = "".join(file.read_text(encoding="utf-8", errors="replace") for file in (tmp_path / "logs").glob("func*"))
    assert not re.search(r"sig=|AccountKey=", logs)
