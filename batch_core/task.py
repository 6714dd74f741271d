"""A record becomes the Batch task that runs the command on its file."""

import json
import re
from collections.abc import Sequence
from typing import Final

from batch_core.config.routes import ContainerImage, Inputs, OutputsOn, Resource, Route, Stdout
from batch_core.config.settings import TaskSettings
from batch_core.naming import FILES_FOLDER, INPUT_FOLDER, STDERR, STDOUT, file_name, folder_of, output_name
from batch_core.services.batch_values import NewTask, TaskContainer, TaskResource, Upload
from batch_core.services.input_container import InputContainer
from batch_core.services.output_container import OutputContainer
from batch_core.state.record import TaskRecord

#: What a pattern of Batch is made of; a pattern without it is the name of one file
#: (https://learn.microsoft.com/azure/batch/batch-task-output-files).
_WILDCARDS: Final = frozenset("*?[")
_CONDITIONS: Final = {
    OutputsOn.SUCCESS: "tasksuccess",
    OutputsOn.FAILURE: "taskfailure",
    OutputsOn.COMPLETION: "taskcompletion",
}


async def batch_task(
    record: TaskRecord, route: Route, settings: TaskSettings, inputs: InputContainer, outputs: OutputContainer
) -> NewTask:
    """Return the task: the route's command line, the file beside it, its name only in environment settings.

    Raises `InputRefused` for a folder that no task can get, and the `ServiceError` that fits if it cannot be listed, or
    if a user delegation key is needed and cannot be had.
    """
    identity = settings.identity_resource_id
    resources, variables = await _input(record, route, settings, inputs)
    return NewTask(
        task_id=record.task_id,
        command_line=route.command_line,
        environment={
            **_metadata_variables(record),
            **route.environment,
            **variables,
            "INPUT_BLOB": record.blob,
            "INPUT_CONTAINER": record.container,
        },
        resources=[*resources, *(_resource(one, identity) for one in route.resources)],
        max_wall_clock_time=route.max_wall_clock_time,
        retention_time=route.retention_time,
        required_slots=route.task_slots,
        max_retries=route.retries,
        user_scope=route.run_as,
        is_elevated=route.is_elevated,
        container=_container(route.container, identity) if route.container else None,
        uploads=await _uploads(record, route, settings, outputs),
        verbatim=route.verbatim,
    )


async def _input(
    record: TaskRecord, route: Route, settings: TaskSettings, inputs: InputContainer
) -> tuple[list[TaskResource], dict[str, str]]:
    """Return what the node downloads as the task's input, and the variables by which the command finds it."""
    if route.inputs is Inputs.FOLDER:
        return await _folder(record, settings, inputs)
    path = f"{INPUT_FOLDER}/{file_name(record.blob)}"
    identity = settings.identity_resource_id
    url = inputs.url(record.blob) if identity else await inputs.sas_url(record.blob, settings.input_sas_lifetime)
    return [TaskResource(url=url, path=path, identity_resource_id=identity)], {"INPUT_FILE": path}


async def _folder(
    record: TaskRecord, settings: TaskSettings, inputs: InputContainer
) -> tuple[list[TaskResource], dict[str, str]]:
    """Return the files of the marker's folder, as a few prefixes, since Batch takes no list of what to leave out.

    A node puts what it finds under a prefix below the path, with its whole name
    (https://learn.microsoft.com/azure/batch/resource-files).
    """
    prefixes = await inputs.prefixes_beside(record.blob)
    identity = settings.identity_resource_id
    url = inputs.container_url if identity else await inputs.container_sas_url(settings.input_sas_lifetime)
    resources = [
        TaskResource(container_url=url, prefix=prefix, path=INPUT_FOLDER, identity_resource_id=identity)
        for prefix in prefixes
    ]
    return resources, {"INPUT_FOLDER": f"{INPUT_FOLDER}/{folder_of(record.blob)}".rstrip("/")}


def _resource(resource: Resource, identity: str) -> TaskResource:
    return TaskResource(
        url=resource.url,
        container_url=resource.container,
        auto_storage_container=resource.auto_storage,
        prefix=resource.prefix,
        path=resource.path,
        identity_resource_id=identity if resource.uses_identity else "",
    )


def _metadata_variables(record: TaskRecord) -> dict[str, str]:
    """Return the blob's metadata as environment variables: `INPUT_METADATA_` and the name in capitals."""
    metadata: dict[str, str] = json.loads(record.blob_metadata) if record.blob_metadata else {}
    # Storage takes names that are C# identifiers; what else an emulator may take is no name of a variable.
    return {f"INPUT_METADATA_{re.sub('[^A-Z0-9_]', '_', name.upper())}": value for name, value in metadata.items()}


def _container(image: ContainerImage, identity: str) -> TaskContainer:
    return TaskContainer(
        image=image.name,
        options=image.options,
        registry=image.registry,
        identity_resource_id=identity if image.uses_identity else "",
    )


async def _uploads(
    record: TaskRecord, route: Route, settings: TaskSettings, outputs: OutputContainer
) -> Sequence[Upload]:
    """Return what the node uploads to the output container: with its identity, or a SAS that can only add.

    The SAS lives as long as the file may wait and its command run.
    """
    printed = [STDOUT, STDERR] if route.stdout is Stdout.UPLOAD else []
    if not route.outputs and not printed:
        return []
    identity = settings.identity_resource_id
    lifetime = settings.input_sas_lifetime + route.max_wall_clock_time
    url = outputs.url if identity else await outputs.upload_url(lifetime)
    files = [
        Upload(
            pattern=pattern,
            container_url=url,
            path=_upload_path(record, pattern),
            condition=_CONDITIONS[route.outputs_on],
            identity_resource_id=identity,
        )
        for pattern in route.outputs
    ]
    return files + [
        Upload(
            # They are beside the working directory (https://learn.microsoft.com/azure/batch/files-and-directories).
            pattern=f"../{name}",
            container_url=url,
            path=output_name(record.blob, record.task_id, name),
            condition=_CONDITIONS[OutputsOn.COMPLETION],
            identity_resource_id=identity,
            content_type="text/plain",
        )
        for name in printed
    ]


def _upload_path(record: TaskRecord, pattern: str) -> str:
    """Return the blob's name of one file, or the folder of what a pattern matches: files keep the folders they are in.

    Batch names what a pattern matches from its first part with a wildcard on: the node's log has the folders before
    that as `base_path` (https://github.com/Azure/Batch/issues/68).
    """
    parts = [part for part in pattern.split("/") if part not in {"", "."}]
    first_wildcard = next((index for index, part in enumerate(parts) if _WILDCARDS & set(part)), None)
    return output_name(record.blob, record.task_id, "/".join([FILES_FOLDER, *parts[:first_wildcard]]))
