"""Relative paths on a node: which ones stay inside, and where the service puts the files of jobs and tasks."""

import posixpath


def is_inside(path: str) -> bool:
    """Return whether a relative path stays inside the directory it is relative to."""
    if not path or "\0" in path or path.startswith("/"):
        return False
    return posixpath.normpath(path).split("/", 1)[0] != ".."


def job_root(job_id: str) -> str:
    """Return the directory of a job's tasks relative to a node's root, as recorded from the service.

    It is named by schedule and job; a job without a schedule counts as the first one of its own.
    """
    work_item, _, number = job_id.partition(":")
    return f"workitems/{work_item}/{number or 'job-1'}"


def task_root(job_id: str, task_id: str) -> str:
    """Return a task's directory relative to its node's root."""
    return f"{job_root(job_id)}/{task_id}"
