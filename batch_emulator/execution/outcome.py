"""How a run ended, and the failures in the shape that the service reports them.

Texts of FailureExitCode and TaskEnded: recordings of the real service. Texts of the others:
https://learn.microsoft.com/rest/api/batchservice/batch-status-and-error-codes
"""

from dataclasses import dataclass, replace

from batch_emulator.values.documents import Document
from batch_emulator.values.states import TaskResult


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a task failed: a code for programs, a message for people, details."""

    code: str
    message: str
    details: tuple[tuple[str, str], ...] = ()
    category: str = "usererror"

    @property
    def is_file_upload(self) -> bool:
        """Whether output files could not be uploaded: the service's codes for it begin alike."""
        return self.code.startswith("FileUpload")

    def document(self) -> Document:
        """Return the `failureInfo` of the REST API."""
        info: Document = {"category": self.category, "code": self.code, "message": self.message}
        if self.details:
            info["details"] = [{"name": name, "value": value} for name, value in self.details]
        return info


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The end of a run: success exactly where there is no failure."""

    exit_code: int | None = None
    failure: Failure | None = None

    @property
    def may_retry(self) -> bool:
        """Only a command that ended by itself with a non-zero exit code is retried."""
        return self.failure is not None and self.failure.code == "FailureExitCode"

    def document(self) -> Document:
        """Return the result, exit code and failure as the execution infos of the REST API have them."""
        end: Document = {"result": TaskResult.FAILURE if self.failure else TaskResult.SUCCESS}
        if self.exit_code is not None:
            end["exitCode"] = self.exit_code
        if self.failure:
            end["failureInfo"] = self.failure.document()
        return end


class RunError(Exception):
    """A run failed before its command ended."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def exit_failure() -> Failure:
    return Failure(
        code="FailureExitCode",
        message="The task exited with an exit code representing a failure",
        details=(
            ("Message", "The task process exited with an unexpected exit code"),
            ("AdditionalErrorCode", "FailureExitCode"),
        ),
    )


def ended_by_user() -> Failure:
    return Failure(code="TaskEnded", message="Task Was Ended by User Request")


def ended_while_waiting() -> Failure:
    """Build the failure of a task that was ended on no node; spelled as in recording `should_terminate_a_task`."""
    return replace(ended_by_user(), category="UserError")


def ended_by_time_limit() -> Failure:
    reason = "The maximum execution time configured on the task was exceeded"
    return Failure(
        code="TaskEnded",
        message="Task Was Ended by User Request",
        details=(("Message", reason),),
    )


def inside_emulator() -> Failure:
    """Build the failure of a run that the emulator itself got wrong."""
    message = "An unknown scheduling error has occurred"
    return Failure(code="Unknown", message=message, category="servererror")


def program_not_found(program: str) -> RunError:
    return RunError(
        Failure(
            code="CommandProgramNotFound",
            message="The specified command program is not found",
            details=(("Message", f"The program {program} was not found"),),
        )
    )


def launch_failed(reason: str) -> RunError:
    return RunError(
        Failure(
            code="CommandLaunchFailed",
            message="Failed to launch the specified command line",
            details=(("Message", reason),),
        )
    )


def no_containers(reason: str) -> RunError:
    """Build the failure of a task that asks for a container on a node without them.

    The code: container tests of Microsoft's .NET client; the text is not known.
    """
    return RunError(
        Failure(
            code="ContainerPoolNotSupported",
            message="The compute node does not support container tasks",
            details=(("Message", reason),),
        )
    )


def container_image_failed(image: str, reason: str) -> RunError:
    """Build the failure of a task whose image cannot be had.

    The codes: TaskFailureInformationCodes of Microsoft's .NET client, as is the meaning of the texts.
    """
    details = (("Image", image), ("Message", reason))
    return RunError(Failure(code="ContainerInvalidImage", message="The container image was invalid", details=details))


def container_settings_invalid(reason: str) -> RunError:
    """Build the failure of a task whose container cannot be made as its settings say."""
    message = "At least one value of the specified Task container settings is invalid"
    return RunError(Failure(code="ContainerInvalidSettings", message=message, details=(("Message", reason),)))


def blob_failure(code: str, source: str, file_path: str, reason: str) -> RunError:
    """Build a download failure; `source` must not hold a SAS token."""
    messages = {
        "BlobNotFound": "One of the specified Azure Blob(s) is not found",
        "BlobAccessDenied": "Access for one of the specified Azure Blob(s) is denied",
    }
    misc = "Miscellaneous error encountered while downloading one of the specified Azure Blob(s)"
    return RunError(
        Failure(
            code=code,
            message=messages.get(code, misc),
            details=(("BlobSource", source), ("FilePath", file_path), ("Message", reason)),
        )
    )


def file_failure(code: str, file_path: str, reason: str) -> RunError:
    """Build a failure to write a resource file."""
    return RunError(
        Failure(
            code=code,
            message="Failure encountered creating resource file",
            details=(("FilePath", file_path), ("Message", reason)),
        )
    )


def package_failure(package: str, reason: str) -> RunError:
    """Build a failure to put an application package on a node."""
    return RunError(
        Failure(
            code="ApplicationPackageError",
            message="An error occurred when deploying one of the specified application packages",
            details=(("Package", package), ("Message", reason)),
        )
    )


def upload_failure(code: str, file_path: str, reason: str) -> Failure:
    """Build a failure to upload an output file; `reason` must not hold a SAS token.

    The text for a missing container: https://learn.microsoft.com/azure/batch/batch-task-output-files
    """
    messages = {
        "FileUploadContainerNotFound": (
            "One of the specified Azure container(s) was not found while attempting to upload an output file"
        ),
        "FileUploadAccessDenied": (
            "Access for one of the specified Azure container(s) was denied while attempting to upload an output file"
        ),
    }
    misc = "Miscellaneous error encountered while uploading one of the output files"
    return Failure(code=code, message=messages.get(code, misc), details=(("FilePath", file_path), ("Message", reason)))
