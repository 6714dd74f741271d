"""The errors of the Batch service, and the one exception that carries them.

BatchError
    Raised anywhere below the gateway; the gateway turns it into the service's error body.

Codes, statuses and texts: https://learn.microsoft.com/rest/api/batchservice/batch-status-and-error-codes
"""

from dataclasses import dataclass
from enum import Enum


class ErrorCode(Enum):
    """Every error that the emulator answers: its code, HTTP status and text."""

    CONDITION_NOT_MET = (
        "ConditionNotMet",
        412,
        "The condition specified using HTTP conditional header(s) is not met.",
    )
    NOT_MODIFIED = (
        "ConditionNotMet",
        304,
        "The condition specified using HTTP conditional header(s) is not met.",
    )
    MISSING_REQUIRED_PROPERTY = (
        "MissingRequiredProperty",
        400,
        "A required property was not specified in the request body.",
    )
    INVALID_PROPERTY_VALUE = (
        "InvalidPropertyValue",
        400,
        "The value provided for one of the properties in the request body is invalid.",
    )
    INVALID_REQUEST_BODY = (
        "InvalidRequestBody",
        400,
        "The specified Request Body is not syntactically valid.",
    )
    MISSING_REQUIRED_QUERY_PARAMETER = (
        "MissingRequiredQueryParameter",
        400,
        "A query parameter that's mandatory for this request is not specified.",
    )
    INVALID_QUERY_PARAMETER_VALUE = (
        "InvalidQueryParameterValue",
        400,
        "Value for one of the query parameters specified in the request URI is invalid.",
    )
    INVALID_URI = (
        "InvalidUri",
        400,
        "The requested URI does not represent any resource on the server.",
    )
    INVALID_HEADER_VALUE = (
        "InvalidHeaderValue",
        400,
        "The value provided for one of the HTTP headers was not in the correct format.",
    )
    UNSUPPORTED_PROPERTY = (
        "UnsupportedProperty",
        400,
        "One of the properties specified in the request body is not supported.",
    )
    TASK_DEPENDENCIES_NOT_SPECIFIED_ON_JOB = (
        "TaskDependenciesNotSpecifiedOnJob",
        400,
        (
            "A task was specified as depending on other tasks, but the job did not specify that it would use task "
            "dependencies."
        ),
    )
    TASK_DEPENDENCY_LIST_TOO_LONG = (
        "TaskDependencyListTooLong",
        400,
        "A task was specified as depending on other tasks, but the list of dependencies was too long to be stored.",
    )
    AUTHENTICATION_FAILED = (
        "AuthenticationFailed",
        403,
        (
            "Server failed to authenticate the request. Make sure the value of Authorization "
            "header is formed correctly including the signature."
        ),
    )
    TOKEN_REFUSED = (
        "AuthenticationFailed",
        401,
        "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly.",
    )
    # The next three are the emulator's own: the service has no browsers to fear, and cuts off who is too slow.
    HOST_NOT_ALLOWED = (
        "HostNotAllowed",
        403,
        (
            "The Host header names neither this machine nor a name that was allowed. If that name is yours, start the "
            "emulator with --allow-host NAME; if it is not, a web page may have tried to reach the emulator."
        ),
    )
    ORIGIN_NOT_ALLOWED = (
        "OriginNotAllowed",
        403,
        "The request comes from a web page of another origin. The emulator answers programs, and no other pages.",
    )
    REQUEST_TIMED_OUT = ("RequestTimedOut", 408, "The request did not arrive as a whole in time.")
    # Of Azure Resource Manager; the last two are the emulator's own.
    PROPERTY_CANNOT_BE_UPDATED = (
        "PropertyCannotBeUpdated",
        400,
        "A property that cannot be updated was specified as part of the request.",
    )
    NOT_MANAGED_HERE = (
        "NotImplemented",
        501,
        "The emulator does not have this part of Azure Resource Manager: its README lists what it has.",
    )
    KEY_NOT_SHOWN = (
        "KeyNotShown",
        403,
        "The account has a key of its own, which the emulator never shows: you gave it to it.",
    )
    RESOURCE_NOT_FOUND = ("ResourceNotFound", 404, "The specified resource does not exist.")
    POOL_NOT_FOUND = ("PoolNotFound", 404, "The specified pool does not exist.")
    NODE_NOT_FOUND = ("NodeNotFound", 404, "The specified node does not exist.")
    JOB_NOT_FOUND = ("JobNotFound", 404, "The specified job does not exist.")
    JOB_SCHEDULE_NOT_FOUND = ("JobScheduleNotFound", 404, "The specified job schedule does not exist.")
    APPLICATION_NOT_FOUND = ("ApplicationNotFound", 404, "The specified application does not exist.")
    TASK_NOT_FOUND = ("TaskNotFound", 404, "The specified task does not exist.")
    FILE_NOT_FOUND = ("FileNotFound", 404, "The specified file does not exist.")
    UNSUPPORTED_HTTP_VERB = (
        "UnsupportedHttpVerb",
        405,
        "The resource doesn't support specified HTTP verb.",
    )
    NODE_BEING_CREATED = ("NodeBeingCreated", 409, "The specified node is being created.")
    NODE_STATE_UNUSABLE = ("NodeStateUnusable", 409, "The specified node is in an unusable state.")
    OPERATION_INVALID_FOR_CURRENT_STATE = (
        "OperationInvalidForCurrentState",
        409,
        "The operation is not allowed in the current state of the resource.",
    )
    POOL_EXISTS = ("PoolExists", 409, "The specified pool already exists.")
    POOL_BEING_DELETED = (
        "PoolBeingDeleted",
        409,
        "The specified pool has been marked for deletion and is being reclaimed.",
    )
    POOL_BEING_RESIZED = ("PoolBeingResized", 409, "The specified pool is being resized.")
    NODE_BEING_STARTED = ("NodeBeingStarted", 409, "The specified node is being started.")
    NODE_BEING_REBOOTED = ("NodeBeingRebooted", 409, "The specified node is being rebooted.")
    NODE_BEING_REIMAGED = ("NodeBeingReimaged", 409, "The specified node is being reimaged.")
    NODE_IN_TARGET_SCHEDULING_STATE = (
        "NodeAlreadyInTargetSchedulingState",
        409,
        "The specified node is already in the target scheduling state.",
    )
    NODE_USER_NOT_FOUND = ("NodeUserNotFound", 404, "The specified node user does not exist.")
    NODE_USER_EXISTS = ("NodeUserExists", 409, "The specified node user already exists.")
    NODE_EXTENSION_NOT_FOUND = ("NodeExtensionNotFound", 404, "The specified node extension does not exist.")
    AUTO_SCALING_SYNTAX_ERROR = (
        "AutoScalingFormulaSyntaxError",
        400,
        "The specified auto-scaling formula has a syntax error.",
    )
    AUTO_SCALING_FORMULA_TOO_LONG = (
        "AutoScalingFormulaTooLong",
        400,
        "The specified auto-scaling formula exceeds the limit of its length.",
    )
    TOO_MANY_ENABLE_AUTO_SCALE_REQUESTS = (
        "TooManyEnableAutoScaleRequests",
        503,
        "Too many Enable Pool AutoScale requests are issued on the pool.",
    )
    OPERATION_NOT_VALID_ON_POOL = (
        "OperationNotValidOnPool",
        409,
        "The specified operation is not valid on the pool.",
    )
    OPERATION_NOT_VALID_ON_NODE = (
        "OperationNotValidOnNode",
        409,
        "The specified operation is not valid on the node.",
    )
    JOB_EXISTS = ("JobExists", 409, "The specified job already exists.")
    JOB_BEING_DELETED = (
        "JobBeingDeleted",
        409,
        "The specified job has been marked for deletion and is being garbage collected.",
    )
    JOB_BEING_TERMINATED = ("JobBeingTerminated", 409, "The specified job is being terminated.")
    JOB_NOT_ACTIVE = ("JobNotActive", 409, "The specified job is not in active state.")
    JOB_COMPLETED = ("JobCompleted", 409, "The specified job is already in a completed state.")
    JOB_SCHEDULE_EXISTS = ("JobScheduleExists", 409, "The specified job schedule already exists.")
    JOB_SCHEDULE_BEING_DELETED = (
        "JobScheduleBeingDeleted",
        409,
        "The specified job schedule has been marked for deletion and is being garbage collected.",
    )
    JOB_SCHEDULE_BEING_TERMINATED = (
        "JobScheduleBeingTerminated",
        409,
        "The specified job schedule is being terminated.",
    )
    JOB_SCHEDULE_COMPLETED = (
        "JobScheduleCompleted",
        409,
        "The specified job schedule is already in a completed state.",
    )
    JOB_SCHEDULE_DISABLED = (
        "JobScheduleDisabled",
        409,
        "The specified job schedule is already in a disabled state.",
    )
    JOB_WITH_SAME_ID_EXISTS = ("JobWithSameIdExists", 409, "There is already a job with the specified id.")
    JOB_SCHEDULE_WITH_SAME_ID_EXISTS = (
        "JobScheduleWithSameIdExists",
        409,
        "There is already a job schedule with the specified id.",
    )
    INVALID_APPLICATION_PACKAGE_REFERENCES = (
        "InvalidApplicationPackageReferences",
        409,
        (
            "One or more application package references could not be satisfied. This occurs if the application id or "
            "version does not exist or is not active, or if the reference did not specify a version and there is no "
            "default version configured."
        ),
    )
    TASK_EXISTS = ("TaskExists", 409, "The specified task already exists.")
    TASK_ID_SAME_AS_JOB_PREPARATION_TASK = (
        "TaskIdSameAsJobPreparationTask",
        409,
        "The specified task id is same as the job preparation task.",
    )
    TASK_ID_SAME_AS_JOB_RELEASE_TASK = (
        "TaskIdSameAsJobReleaseTask",
        409,
        "The specified task id is same as the job release task.",
    )
    # The documentation says JobPreparationTaskNotSpecified; this is what recordings of the real service show.
    JOB_PREPARATION_TASK_OR_RELEASE_TASK_NOT_SPECIFIED = (
        "JobPreparationTaskOrReleaseTaskNotSpecified",
        409,
        "The specified job does not have either job preparation task or job release task.",
    )
    TASK_COMPLETED = ("TaskCompleted", 409, "The specified task is already in a completed state.")
    TASK_NOT_COMPLETED = (
        "TaskNotCompleted",
        409,
        (
            "The specified task is not in a completed state, and the requested operation can be performed only on "
            "completed tasks."
        ),
    )
    TASK_SUCCEEDED = (
        "TaskSucceeded",
        409,
        (
            "The specified task has already completed successfully, and the requested operation cannot be performed "
            "on successful tasks."
        ),
    )
    TASK_FILES_UNAVAILABLE = (
        "TaskFilesUnavailable",
        409,
        "The files of the specified task are unavailable.",
    )
    TASK_FILES_CLEANEDUP = (
        "TaskFilesCleanedup",
        409,
        "The files of the specified task are cleaned up.",
    )
    REQUEST_BODY_TOO_LARGE = (
        "RequestBodyTooLarge",
        413,
        "The request body is too large and exceeds the maximum permissible limit.",
    )
    INVALID_RANGE = (
        "InvalidRange",
        416,
        "The range specified is invalid for the current size of the resource.",
    )
    ACTIVE_JOB_AND_SCHEDULE_QUOTA_REACHED = (
        "ActiveJobAndScheduleQuotaReached",
        409,
        "The active jobs and schedules quota for the account has been reached.",
    )
    POOL_QUOTA_REACHED = ("PoolQuotaReached", 409, "The pool quota for the account has been reached.")
    TOO_MANY_REQUESTS = ("TooManyRequests", 429, "Too many requests are made. Please try again after some time.")
    INTERNAL_ERROR = (
        "InternalError",
        500,
        "Server encountered an internal error. Please try again after some time.",
    )
    SERVER_BUSY = (
        "ServerBusy",
        503,
        "The server is currently unable to receive requests. Please retry your request.",
    )

    def __init__(self, code: str, status: int, message: str) -> None:
        self.code = code
        self.status = status
        self.message = message


@dataclass(frozen=True, kw_only=True)
class OtherCode:
    """An error that only a fault rule asks for."""

    code: str
    status: int
    message: str


class BatchError(Exception):
    """A request that the service refuses.

    `details` become the `values` of the error body. `message` replaces the service's own text
    where the emulator can say something more useful. `retry_after` in seconds becomes a header.
    """

    retry_after: int | None = None

    def __init__(self, error: ErrorCode | OtherCode, message: str | None = None, **details: str | int | None) -> None:
        super().__init__(error.code)
        self.error = error
        self.message = message or error.message
        self.details = {key: str(value) for key, value in details.items() if value is not None}

    @property
    def values(self) -> list[dict[str, str]]:
        """The details on the wire; one without a value is a key alone.

        Recording: `should_fail_to_create_a_cmk_disk_encrypted_pool_as_dataplane_does_not_support_pool_identity`.
        """
        return [{"key": key, "value": value} if value else {"key": key} for key, value in self.details.items()]


def invalid_parameter(name: str, value: str, reason: str) -> BatchError:
    """Build the answer to a bad query parameter, in the shape of recordings of the real service."""
    return BatchError(
        ErrorCode.INVALID_QUERY_PARAMETER_VALUE,
        QueryParameterName=name,
        QueryParameterValue=value,
        Reason=reason,
    )


def invalid_property(name: str, value: object, reason: str) -> BatchError:
    """Build the answer to a bad property of the request body."""
    return BatchError(
        ErrorCode.INVALID_PROPERTY_VALUE,
        PropertyName=name,
        PropertyValue=str(value)[:256],
        Reason=reason,
    )


def missing_property(name: str) -> BatchError:
    """Build the answer to a request body without a required property."""
    return BatchError(ErrorCode.MISSING_REQUIRED_PROPERTY, PropertyName=name)
