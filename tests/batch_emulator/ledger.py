"""What clients of an emulator were answered, and what answers may have been on their way when it died."""

from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Ledger:
    """Ids are those of tasks in one job; `maybe` is what was asked for and not answered."""

    added: set = field(default_factory=set)
    maybe_added: set = field(default_factory=set)
    deleted: set = field(default_factory=set)
    maybe_deleted: set = field(default_factory=set)
    #: By task, the version acknowledged last, and those asked for since.
    versions: dict = field(default_factory=dict)
    maybe_versions: dict = field(default_factory=dict)
    terminated: set = field(default_factory=set)
    #: Tasks as they were shown completed, and the ids of those last shown running.
    completed: dict = field(default_factory=dict)
    running: set = field(default_factory=set)

    @property
    def certain(self):
        """The ids that must be there."""
        return self.added - self.deleted - self.maybe_deleted

    @property
    def possible(self):
        return (self.added | self.maybe_added) - self.deleted

    def look(self, tasks):
        """Note what a list shows."""
        self.completed |= {task["id"]: task for task in tasks if task["state"] == "completed"}
        self.running = {task["id"] for task in tasks if task["state"] == "running"}

    def check(self, tasks):
        """Compare the list after a restart with all that was said before."""
        found = {task["id"]: task for task in tasks}
        assert len(found) == len(tasks)
        assert self.certain - set(found) == set()
        assert set(found) - self.possible == set()
        for task_id, task in found.items():
            self._check_task(task_id, task)
        self._settle(found)

    def _check_task(self, task_id, task):
        assert contradictions(task) == []
        if task_id in self.completed:
            assert differences(self.completed[task_id], task) == {}
        if task_id in self.terminated:
            assert task["state"] == "completed"
        if task_id in self.running and task["state"] != "completed":
            assert task["executionInfo"]["requeueCount"] >= 1
        if task_id in self.versions:
            version = task["constraints"]["maxTaskRetryCount"]
            assert version in {self.versions[task_id], *self.maybe_versions.get(task_id, ())}

    def _settle(self, found):
        """Know now what became of the requests that were not answered."""
        self.added |= self.maybe_added & set(found)
        self.deleted |= self.maybe_deleted - set(found)
        self.maybe_added.clear()
        self.maybe_deleted.clear()
        self.maybe_versions.clear()
        self.versions = {
            task_id: found[task_id]["constraints"]["maxTaskRetryCount"] for task_id in self.versions if task_id in found
        }


def differences(before, after):
    """Return each property of a task that is not what it was, with both values."""
    return {
        name: (before.get(name), after.get(name))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    }


def contradictions(task):
    """Return what cannot be true of a task at the same time."""
    info, state = task["executionInfo"], task["state"]
    ended = {"endTime", "result"} & set(info)
    wrong = {
        "completed without an end": state == "completed" and len(ended) < 2,
        "ended and not completed": state != "completed" and bool(ended),
        "waiting and started": state == "active" and "startTime" in info,
        "running nowhere": state == "running" and not {"nodeInfo", "startTime"} <= {*task, *info},
        "failed without a reason": info.get("result") == "failure" and "failureInfo" not in info,
        "succeeded with a failure": info.get("result") == "success" and ("failureInfo" in info or info["exitCode"]),
        "ended before it began": info.get("endTime", "Z") < info.get("startTime", ""),
        "requeued never and sometime": bool(info["requeueCount"]) != ("lastRequeueTime" in info),
    }
    return [problem for problem, holds in wrong.items() if holds]
