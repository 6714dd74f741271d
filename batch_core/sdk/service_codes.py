"""The services' own error codes that decide something, with their sources. A code that is not here decides nothing.

Batch: https://learn.microsoft.com/rest/api/batchservice/batch-status-and-error-codes
Storage: https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes
Blobs: https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
Queues: https://learn.microsoft.com/rest/api/storageservices/queue-service-error-codes
Tables: https://learn.microsoft.com/rest/api/storageservices/table-service-error-codes
"""

from typing import Final

#: With status 404: the thing that was asked for does not exist.
ABSENT: Final = frozenset(
    {
        # Batch
        "FileNotFound",
        "JobNotFound",
        "NodeNotFound",
        "PoolNotFound",
        "TaskNotFound",
        # Blobs and tables
        "BlobNotFound",
        "ContainerNotFound",
        "EntityNotFound",
        "ResourceNotFound",
        "TableNotFound",
        # Queues
        "QueueNotFound",
    }
)

#: Batch: the job has no such task, or there is no such job.
ABSENT_TASK: Final = frozenset({"JobNotFound", "TaskNotFound"})

#: Batch: the task's file does not exist and never will again. `NodeNotFound`: it was on a node that is gone.
ABSENT_FILE: Final = ABSENT_TASK | {"FileNotFound", "NodeNotFound", "TaskFilesCleanedup"}

#: Batch: the task's files cannot be read now: it never ran, or its node is away.
FILE_OUT_OF_REACH: Final = frozenset({"TaskFilesUnavailable"})

#: Batch: the job takes no more tasks, ever.
TAKES_NO_TASKS: Final = frozenset({"JobBeingDeleted", "JobBeingTerminated", "JobCompleted", "JobNotFound"})

#: Batch: the job has ended or is about to, so that closing or deleting it has nothing left to do.
ENDED_JOB: Final = TAKES_NO_TASKS

#: Batch: the job is deleted or is being deleted.
DELETED_JOB: Final = frozenset({"JobBeingDeleted", "JobNotFound"})

#: Batch: this very task can never be added, because of what it says of itself. Codes that concern the request (its
#: headers, URL, version or credentials), the account or the job are not among them: those are transient, or
#: the operator fixes them.
NEVER_ACCEPTED: Final = frozenset(
    {
        "InvalidInput",
        "InvalidPropertyValue",
        "InvalidRequestBody",
        "MissingRequiredProperty",
        "OutOfRangeInput",
        "RequestBodyTooLarge",
        "TaskDependenciesNotSpecifiedOnJob",
        "TaskDependencyListTooLong",
        "TaskIdSameAsJobPreparationTask",
        "TaskIdSameAsJobReleaseTask",
        "UnsupportedProperty",
    }
)

#: Tables: the record already exists, does not exist, or was modified since it was read.
CONDITION_FAILED: Final = frozenset(
    {"EntityAlreadyExists", "EntityNotFound", "ResourceNotFound", "ConditionNotMet", "UpdateConditionNotSatisfied"}
)

#: Tables: there is no such entity.
ABSENT_ENTITY: Final = frozenset({"EntityNotFound", "ResourceNotFound"})

#: Blobs: no blob can have this name.
IMPOSSIBLE_NAME: Final = frozenset(
    {"InvalidInput", "InvalidResourceName", "InvalidUri", "OutOfRangeInput", "RequestUrlFailedToParse"}
)
