"""A record becomes the Batch task that runs the command on its file."""

from azure.batch.models import (
    BatchNodeIdentityReference,
    BatchTaskConstraints,
    BatchTaskCreateOptions,
    EnvironmentSetting,
    ResourceFile,
)

from batch_core.config.settings import TaskSettings
from batch_core.naming import file_name
from batch_core.services.containers import InputContainer
from batch_core.state.record import TaskRecord

#: In the task's working directory, so that no file name can collide with what a command writes there.
INPUT_FOLDER = "input"


async def batch_task(record: TaskRecord, settings: TaskSettings, inputs: InputContainer) -> BatchTaskCreateOptions:
    """Return the task: the operator's command line, the file beside it, its name only in environment settings."""
    path = f"{INPUT_FOLDER}/{file_name(record.blob)}"
    environment = {"INPUT_FILE": path, "INPUT_BLOB": record.blob, "INPUT_CONTAINER": record.container}
    return BatchTaskCreateOptions(
        id=record.task_id,
        command_line=settings.command_line,
        resource_files=[await _resource_file(record.blob, path, settings, inputs)],
        environment_settings=[EnvironmentSetting(name=name, value=value) for name, value in environment.items()],
        constraints=BatchTaskConstraints(
            max_wall_clock_time=settings.max_wall_clock_time,
            retention_time=settings.retention_time,
            max_task_retry_count=0,
        ),
    )


async def _resource_file(blob: str, path: str, settings: TaskSettings, inputs: InputContainer) -> ResourceFile:
    if settings.identity_resource_id:
        identity = BatchNodeIdentityReference(resource_id=settings.identity_resource_id)
        return ResourceFile(http_url=inputs.url(blob), file_path=path, identity_reference=identity)
    return ResourceFile(http_url=await inputs.sas_url(blob, settings.input_sas_lifetime), file_path=path)
