"""What runs on the files of a `World`."""

from pathlib import Path


def command_in(folder: Path) -> str:
    """Return a command that notes where it runs, prints its file, and ends as the file says when it is released."""
    # `read` waits on a pipe that nobody writes to: a `sleep` would be a process each time, of each task.
    script = (
        f'[ -p never ] || mkfifo never; exec 9<> never; cd "{folder}"; '
        'echo "$AZ_BATCH_JOB_ID" >> "$AZ_BATCH_TASK_ID.runs"; cat "$OLDPWD/$INPUT_FILE"; '
        'until [ -e all.end -o -e "$AZ_BATCH_TASK_ID.end" ]; do read -r -t 0.02 -u 9; done; '
        'exit $(tail -n 1 "$OLDPWD/$INPUT_FILE" | cut -d " " -f 2)'
    )
    return f"/bin/bash -c '{script}'"
