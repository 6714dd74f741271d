"""Good request bodies by operation, rich enough to be spoiled in many places."""

_RETRY = {"maxWallClockTime": "PT1H", "maxTaskRetryCount": 0}
_FILE = {"httpUrl": "http://127.0.0.1:1/x?sig=y", "filePath": "a/b.txt", "fileMode": "0644"}
_SETTING = {"name": "A", "value": "b"}
_START_TASK = {
    "commandLine": "/bin/true",
    "waitForSuccess": True,
    "maxTaskRetryCount": 0,
    "environmentSettings": [_SETTING],
    "userIdentity": {"autoUser": {"scope": "pool", "elevationLevel": "nonadmin"}},
}
_SUBNET = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/s"
_PACKAGE = {"applicationId": "a", "version": "1"}
_POOL = {
    "vmSize": "standard_d2s_v3",
    "virtualMachineConfiguration": {
        "imageReference": {"publisher": "canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": "latest"},
        "nodeAgentSKUId": "batch.node.ubuntu 24.04",
    },
    "targetDedicatedNodes": 0,
    "targetLowPriorityNodes": 0,
    "taskSlotsPerNode": 2,
    "resizeTimeout": "PT15M",
    "metadata": [{"name": "a", "value": "b"}],
    "startTask": _START_TASK,
    "taskSchedulingPolicy": {"nodeFillType": "Pack"},
    "userAccounts": [{"name": "u", "password": "p", "elevationLevel": "admin"}],
    "networkConfiguration": {"subnetId": _SUBNET, "publicIPAddressConfiguration": {"provision": "batchManaged"}},
}
_TASK = {
    "commandLine": "/bin/true",
    "displayName": "d",
    "constraints": {**_RETRY, "retentionTime": "P1D"},
    "environmentSettings": [_SETTING],
    "affinityInfo": {"affinityId": "TVM:x"},
    "requiredSlots": 1,
    "userIdentity": {"username": "u"},
}
_RICH_TASK = {
    **_TASK,
    "resourceFiles": [_FILE],
    "outputFiles": [
        {
            "filePattern": "../std*.txt",
            "destination": {"container": {"containerUrl": "http://127.0.0.1:1/c?sig=y", "path": "p"}},
            "uploadOptions": {"uploadCondition": "taskcompletion"},
        }
    ],
    "dependsOn": {"taskIds": ["a", "b"], "taskIdRanges": [{"start": 1, "end": 3}]},
    "exitConditions": {
        "exitCodes": [{"code": 1, "exitOptions": {"jobAction": "none", "dependencyAction": "satisfy"}}],
        "exitCodeRanges": [{"start": 2, "end": 4, "exitOptions": {"dependencyAction": "block"}}],
        "default": {"dependencyAction": "block"},
    },
}
_RARE_TASK = {
    **_TASK,
    "resourceFiles": [
        {"autoStorageContainerName": "c", "blobPrefix": "p", "filePath": "d"},
        {"storageContainerUrl": "http://127.0.0.1:1/c", "identityReference": {"resourceId": "/subscriptions/x"}},
    ],
    "containerSettings": {"imageName": "i", "containerRunOptions": "--rm", "workingDirectory": "taskWorkingDirectory"},
    "applicationPackageReferences": [_PACKAGE],
    "authenticationTokenSettings": {"access": ["job"]},
    "multiInstanceSettings": {
        "numberOfInstances": 2,
        "coordinationCommandLine": "/bin/true",
        "commonResourceFiles": [_FILE],
    },
}
_MOUNT = {
    "azureBlobFileSystemConfiguration": {
        "accountName": "a",
        "containerName": "c",
        "relativeMountPath": "m",
        "accountKey": "k",
        "blobfuseOptions": "-o x",
    }
}
_JOB = {
    "poolInfo": {"poolId": "fuzz-pool"},
    "priority": 1,
    "maxParallelTasks": -1,
    "usesTaskDependencies": True,
    "onAllTasksComplete": "noaction",
    "onTaskFailure": "noaction",
    "constraints": _RETRY,
    "commonEnvironmentSettings": [_SETTING],
    "metadata": [{"name": "a", "value": "b"}],
}
_HELPERS = {
    "jobManagerTask": {"id": "manager", "commandLine": "/bin/true", "killJobOnCompletion": False, "requiredSlots": 1},
    "jobPreparationTask": {"id": "prep", "commandLine": "/bin/true", "constraints": _RETRY, "waitForSuccess": True},
    "jobReleaseTask": {"id": "release", "commandLine": "/bin/true", "maxWallClockTime": "PT5M"},
}
_AUTO_POOL = {"poolInfo": {"autoPoolSpecification": {"poolLifetimeOption": "job", "keepAlive": False, "pool": _POOL}}}
_SCHEDULE = {
    "schedule": {"recurrenceInterval": "PT1H", "startWindow": "PT10M", "doNotRunUntil": "2035-01-01T00:00:00Z"},
    "jobSpecification": {**_JOB, "displayName": "d"},
}
_FORMULA = {"autoScaleFormula": "$TargetDedicatedNodes = 0;", "autoScaleEvaluationInterval": "PT5M"}

BODIES = {
    "create_pool": [{"id": f"new-{n}", **_POOL} for n in range(3)]
    + [{"id": "new-auto", "vmSize": "standard_d2s_v3", "enableAutoScale": True, **_FORMULA}]
    + [{"id": "new-rare", **_POOL, "mountConfiguration": [_MOUNT], "applicationPackageReferences": [_PACKAGE]}],
    "update_pool": [{"startTask": _START_TASK, "metadata": []}, {"taskSlotsPerNode": 2, "displayName": "d"}],
    "replace_pool_properties": [
        {"metadata": [], "applicationPackageReferences": [], "startTask": _START_TASK, "certificateReferences": []}
    ],
    "enable_pool_auto_scale": [_FORMULA],
    "evaluate_pool_auto_scale": [
        {"autoScaleFormula": "x = avg($ActiveTasks.GetSample(1)); $TargetDedicatedNodes = 0;"}
    ],
    "resize_pool": [{"targetDedicatedNodes": 1, "targetLowPriorityNodes": 0, "nodeDeallocationOption": "requeue"}],
    "remove_nodes": [{"nodeList": ["x"], "resizeTimeout": "PT5M", "nodeDeallocationOption": "terminate"}],
    "create_job": [{"id": f"new-{n}", **_JOB} for n in range(3)]
    + [{"id": "new-helped", **_JOB, **_HELPERS}, {"id": "new-auto", **_JOB, **_AUTO_POOL}],
    "update_job": [{"priority": 3, "constraints": _RETRY}, {"maxParallelTasks": 2, "onAllTasksComplete": "noaction"}],
    "replace_job": [_JOB],
    "disable_job": [{"disableTasks": "requeue"}],
    "terminate_job": [{"terminateReason": "x"}],
    "create_job_schedule": [{"id": f"new-{n}", **_SCHEDULE} for n in range(2)],
    "update_job_schedule": [{"schedule": _SCHEDULE["schedule"], "metadata": []}],
    "replace_job_schedule": [_SCHEDULE],
    "create_task": [{"id": f"new-{n}", **_TASK} for n in range(5)]
    + [{"id": "rich", **_RICH_TASK}, {"id": "rare", **_RARE_TASK}],
    "create_task_collection": [{"value": [{"id": f"c{n}", **_TASK} for n in range(3)] + [{"id": "c", **_RICH_TASK}]}],
    "replace_task": [{"constraints": {**_RETRY, "retentionTime": "P1D"}}],
    "create_node_user": [{"name": "u", "isAdmin": True, "expiryTime": "2035-01-01T00:00:00Z", "password": "p"}],
    "replace_node_user": [{"password": "q", "expiryTime": "2035-01-01T00:00:00Z"}],
    "reboot_node": [{"nodeRebootOption": "requeue"}],
    "reimage_node": [{"nodeReimageOption": "terminate"}],
    "deallocate_node": [{"nodeDeallocateOption": "requeue"}],
    "disable_node_scheduling": [{"nodeDisableSchedulingOption": "requeue"}],
    "upload_node_logs": [{"containerUrl": "http://127.0.0.1:1/c?sig=y", "startTime": "2026-01-01T00:00:00Z"}],
    "add_faults": [
        {
            "operation": "list_jobs",
            "answer": {"status": 429, "retryAfter": 1},
            "path": "/nothing",
            "times": 1,
            "seed": 1,
        },
        {"faults": [{"operation": "create_task_collection", "items": {"code": "ServerBusy"}, "path": "/nothing"}]},
    ],
    "set_quotas": [{"activeJobsAndSchedules": 1000, "pools": 1000, "tasksPerSecond": 100000}],
    "lose": [{"replace": True}],
    "make_unusable": [{"code": "x", "message": "y"}],
    "fail_start_task": [{"exitCode": 1}],
    "fail_next_start_tasks": [{"count": 1}],
}
