"""The one table of all operations of the service.

Names are those of the Python client.
"""

from typing import Final

from batch_emulator.handlers import (
    account,
    applications,
    auto_scale,
    job_changes,
    job_nodes,
    job_schedules,
    jobs,
    node_access,
    node_files,
    node_operations,
    nodes,
    pool_changes,
    pools,
    subtasks,
    task_changes,
    task_files,
    tasks,
)
from batch_emulator.routing import Handler, Operation


def _operation(name: str, method: str, path: str, handler: Handler) -> Operation:
    return Operation(name=name, method=method, path=path, handler=handler)


# fmt: off
ROUTES: Final = (
    _operation("list_applications", "GET", "/applications", applications.list_applications),
    _operation("get_application", "GET", "/applications/{applicationId}", applications.get_application),
    _operation("list_pool_usage_metrics", "GET", "/poolusagemetrics", account.list_pool_usage_metrics),
    _operation("create_pool", "POST", "/pools", pools.create_pool),
    _operation("list_pools", "GET", "/pools", pools.list_pools),
    _operation("delete_pool", "DELETE", "/pools/{poolId}", pools.delete_pool),
    _operation("pool_exists", "HEAD", "/pools/{poolId}", pools.pool_exists),
    _operation("get_pool", "GET", "/pools/{poolId}", pools.get_pool),
    _operation("update_pool", "PATCH", "/pools/{poolId}", pool_changes.update_pool),
    _operation(
        "disable_pool_auto_scale", "POST", "/pools/{poolId}/disableautoscale",
        auto_scale.disable_pool_auto_scale,
    ),
    _operation("enable_pool_auto_scale", "POST", "/pools/{poolId}/enableautoscale", auto_scale.enable_pool_auto_scale),
    _operation(
        "evaluate_pool_auto_scale", "POST", "/pools/{poolId}/evaluateautoscale",
        auto_scale.evaluate_pool_auto_scale,
    ),
    _operation("resize_pool", "POST", "/pools/{poolId}/resize", pool_changes.resize_pool),
    _operation("stop_pool_resize", "POST", "/pools/{poolId}/stopresize", pool_changes.stop_pool_resize),
    _operation(
        "replace_pool_properties", "POST", "/pools/{poolId}/updateproperties",
        pool_changes.replace_pool_properties,
    ),
    _operation("remove_nodes", "POST", "/pools/{poolId}/removenodes", pool_changes.remove_nodes),
    _operation("list_supported_images", "GET", "/supportedimages", account.list_supported_images),
    _operation("list_pool_node_counts", "GET", "/nodecounts", pools.list_pool_node_counts),
    _operation("delete_job", "DELETE", "/jobs/{jobId}", jobs.delete_job),
    _operation("get_job", "GET", "/jobs/{jobId}", jobs.get_job),
    _operation("update_job", "PATCH", "/jobs/{jobId}", job_changes.update_job),
    _operation("replace_job", "PUT", "/jobs/{jobId}", job_changes.replace_job),
    _operation("disable_job", "POST", "/jobs/{jobId}/disable", job_changes.disable_job),
    _operation("enable_job", "POST", "/jobs/{jobId}/enable", job_changes.enable_job),
    _operation("terminate_job", "POST", "/jobs/{jobId}/terminate", jobs.terminate_job),
    _operation("create_job", "POST", "/jobs", jobs.create_job),
    _operation("list_jobs", "GET", "/jobs", jobs.list_jobs),
    _operation(
        "list_jobs_from_schedule", "GET", "/jobschedules/{jobScheduleId}/jobs", job_schedules.list_jobs_from_schedule,
    ),
    _operation(
        "list_job_preparation_and_release_task_status", "GET", "/jobs/{jobId}/jobpreparationandreleasetaskstatus",
        job_nodes.list_status,
    ),
    _operation("get_job_task_counts", "GET", "/jobs/{jobId}/taskcounts", jobs.get_job_task_counts),
    _operation("job_schedule_exists", "HEAD", "/jobschedules/{jobScheduleId}", job_schedules.job_schedule_exists),
    _operation("delete_job_schedule", "DELETE", "/jobschedules/{jobScheduleId}", job_schedules.delete_job_schedule),
    _operation("get_job_schedule", "GET", "/jobschedules/{jobScheduleId}", job_schedules.get_job_schedule),
    _operation("update_job_schedule", "PATCH", "/jobschedules/{jobScheduleId}", job_schedules.update_job_schedule),
    _operation("replace_job_schedule", "PUT", "/jobschedules/{jobScheduleId}", job_schedules.replace_job_schedule),
    _operation(
        "disable_job_schedule", "POST", "/jobschedules/{jobScheduleId}/disable", job_schedules.disable_job_schedule,
    ),
    _operation(
        "enable_job_schedule", "POST", "/jobschedules/{jobScheduleId}/enable", job_schedules.enable_job_schedule,
    ),
    _operation(
        "terminate_job_schedule", "POST", "/jobschedules/{jobScheduleId}/terminate",
        job_schedules.terminate_job_schedule,
    ),
    _operation("create_job_schedule", "POST", "/jobschedules", job_schedules.create_job_schedule),
    _operation("list_job_schedules", "GET", "/jobschedules", job_schedules.list_job_schedules),
    _operation("create_task", "POST", "/jobs/{jobId}/tasks", tasks.create_task),
    _operation("list_tasks", "GET", "/jobs/{jobId}/tasks", tasks.list_tasks),
    _operation(
        "create_task_collection", "POST", "/jobs/{jobId}/addtaskcollection", tasks.create_task_collection,
    ),
    _operation("delete_task", "DELETE", "/jobs/{jobId}/tasks/{taskId}", tasks.delete_task),
    _operation("get_task", "GET", "/jobs/{jobId}/tasks/{taskId}", tasks.get_task),
    _operation("replace_task", "PUT", "/jobs/{jobId}/tasks/{taskId}", task_changes.replace_task),
    _operation("list_subtasks", "GET", "/jobs/{jobId}/tasks/{taskId}/subtasksinfo", subtasks.list_subtasks),
    _operation(
        "terminate_task", "POST", "/jobs/{jobId}/tasks/{taskId}/terminate", tasks.terminate_task,
    ),
    _operation(
        "reactivate_task", "POST", "/jobs/{jobId}/tasks/{taskId}/reactivate", task_changes.reactivate_task,
    ),
    _operation(
        "delete_task_file", "DELETE", "/jobs/{jobId}/tasks/{taskId}/files/{filePath}", task_files.delete_task_file,
    ),
    _operation(
        "download_task_file", "GET", "/jobs/{jobId}/tasks/{taskId}/files/{filePath}", task_files.download_task_file,
    ),
    _operation(
        "get_task_file_properties", "HEAD", "/jobs/{jobId}/tasks/{taskId}/files/{filePath}",
        task_files.get_task_file_properties,
    ),
    _operation(
        "list_task_files", "GET", "/jobs/{jobId}/tasks/{taskId}/files", task_files.list_task_files,
    ),
    _operation("create_node_user", "POST", "/pools/{poolId}/nodes/{nodeId}/users", node_access.create_node_user),
    _operation(
        "delete_node_user", "DELETE", "/pools/{poolId}/nodes/{nodeId}/users/{userName}",
        node_access.delete_node_user,
    ),
    _operation(
        "replace_node_user", "PUT", "/pools/{poolId}/nodes/{nodeId}/users/{userName}",
        node_access.replace_node_user,
    ),
    _operation("get_node", "GET", "/pools/{poolId}/nodes/{nodeId}", nodes.get_node),
    _operation("reboot_node", "POST", "/pools/{poolId}/nodes/{nodeId}/reboot", node_operations.reboot_node),
    _operation("start_node", "POST", "/pools/{poolId}/nodes/{nodeId}/start", node_operations.start_node),
    _operation("reimage_node", "POST", "/pools/{poolId}/nodes/{nodeId}/reimage", node_operations.reimage_node),
    _operation("deallocate_node", "POST", "/pools/{poolId}/nodes/{nodeId}/deallocate", node_operations.deallocate_node),
    _operation(
        "disable_node_scheduling", "POST", "/pools/{poolId}/nodes/{nodeId}/disablescheduling",
        node_operations.disable_node_scheduling,
    ),
    _operation(
        "enable_node_scheduling", "POST", "/pools/{poolId}/nodes/{nodeId}/enablescheduling",
        node_operations.enable_node_scheduling,
    ),
    _operation(
        "get_node_remote_login_settings", "GET", "/pools/{poolId}/nodes/{nodeId}/remoteloginsettings",
        node_access.get_node_remote_login_settings,
    ),
    _operation(
        "upload_node_logs", "POST", "/pools/{poolId}/nodes/{nodeId}/uploadbatchservicelogs",
        node_access.upload_node_logs,
    ),
    _operation("list_nodes", "GET", "/pools/{poolId}/nodes", nodes.list_nodes),
    _operation(
        "get_node_extension", "GET", "/pools/{poolId}/nodes/{nodeId}/extensions/{extensionName}",
        node_access.get_node_extension,
    ),
    _operation(
        "list_node_extensions", "GET", "/pools/{poolId}/nodes/{nodeId}/extensions",
        node_access.list_node_extensions,
    ),
    _operation(
        "delete_node_file", "DELETE", "/pools/{poolId}/nodes/{nodeId}/files/{filePath}", node_files.delete_node_file,
    ),
    _operation(
        "download_node_file", "GET", "/pools/{poolId}/nodes/{nodeId}/files/{filePath}", node_files.download_node_file,
    ),
    _operation(
        "get_node_file_properties", "HEAD", "/pools/{poolId}/nodes/{nodeId}/files/{filePath}",
        node_files.get_node_file_properties,
    ),
    _operation("list_node_files", "GET", "/pools/{poolId}/nodes/{nodeId}/files", node_files.list_node_files),
)
# fmt: on

#: The operations of versions before 2019-06-01.9.0.
FORMER_ROUTES: Final = (
    *(operation for operation in ROUTES if operation.name != "list_supported_images"),
    _operation("list_node_agent_skus", "GET", "/nodeagentskus", account.list_node_agent_skus),
)
