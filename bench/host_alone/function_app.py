"""An app whose blob trigger does nothing: what its files cost is the host's."""

import azure.functions as func
from azurefunctions.extensions.bindings.blob import BlobClient

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
_called: set[str] = set()


@app.blob_trigger(arg_name="blob", path="%INPUT_CONTAINER%/{name}", connection="DATA_STORAGE")
async def take(blob: BlobClient) -> None:
    _called.add(blob.blob_name)


@app.route("called", methods=["GET"], trigger_arg_name="request")
async def called(request: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - the host passes it
    return func.HttpResponse(str(len(_called)))
