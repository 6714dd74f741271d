"""A record becomes the Batch task that runs the command on its file."""

from typing import Final

from batch_core.config.routes import Route
from batch_core.config.settings import TaskSettings
from batch_core.naming import file_name
from batch_core.services.batch_values import NewTask
from batch_core.services.input_container import InputContainer
from batch_core.state.record import TaskRecord

#: In the task's working directory, so that no file name can collide with what a command writes there.
INPUT_FOLDER: Final = "input"


async def batch_task(record: TaskRecord, route: Route, settings: TaskSettings, inputs: InputContainer) -> NewTask:
    """Return the task: the route's command line, the file beside it, its name only in environment settings.

    Raises the `ServiceError` that fits if a user delegation key is needed and cannot be had.
    """
    path = f"{INPUT_FOLDER}/{file_name(record.blob)}"
    identity = settings.identity_resource_id
    url = inputs.url(record.blob) if identity else await inputs.sas_url(record.blob, settings.input_sas_lifetime)
    return NewTask(
        task_id=record.task_id,
        command_line=route.command_line,
        environment={
            **route.environment,
            "INPUT_FILE": path,
            "INPUT_BLOB": record.blob,
            "INPUT_CONTAINER": record.container,
        },
        input_url=url,
        input_path=path,
        identity_resource_id=identity,
        max_wall_clock_time=route.max_wall_clock_time,
        retention_time=route.retention_time,
        required_slots=route.task_slots,
        max_retries=route.retries,
        user_scope=route.run_as,
        is_elevated=route.is_elevated,
    )
