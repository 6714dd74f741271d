"""The event subscription: new input files reach the trigger, and nothing else does."""

import pytest

from tests.infra.bicep import properties, source, template, value_of

INPUT = "/blobServices/default/containers/input/blobs/"
#: Types and subjects as Storage sends them:
#: https://learn.microsoft.com/azure/event-grid/event-schema-blob-storage
LET_IN = [
    ("Microsoft.Storage.BlobCreated", INPUT + "recipe.txt"),
    ("Microsoft.Storage.BlobCreated", INPUT + "letters/2026/a b.txt"),
    ("Microsoft.Storage.BlobCreated", INPUT + "surveys/spring/_READY"),
    ("Microsoft.Storage.BlobCreated", INPUT + "blobServices/default/containers/output/blobs/x"),
]
KEPT_OUT = [
    ("Microsoft.Storage.BlobCreated", "/blobServices/default/containers/output/blobs/recipe.txt/1/stdout.txt"),
    ("Microsoft.Storage.BlobCreated", "/blobServices/default/containers/output/blobs/input/recipe.txt"),
    ("Microsoft.Storage.BlobCreated", "/blobServices/default/containers/input2/blobs/recipe.txt"),
    ("Microsoft.Storage.BlobCreated", "/blobServices/default/containers/inputs/blobs/recipe.txt"),
    ("Microsoft.Storage.BlobCreated", "/blobServices/default/containers/app-package/blobs/released-package.zip"),
    ("Microsoft.Storage.BlobCreated", "/blobServices/default/containers/azure-webjobs-hosts/blobs/locks/x/host"),
    ("Microsoft.Storage.BlobCreated", "/blobServices/default/containers/$logs/blobs/queue/2026/11/30/1900/000000.log"),
    ("Microsoft.Storage.BlobDeleted", INPUT + "recipe.txt"),
    ("Microsoft.Storage.BlobTierChanged", INPUT + "recipe.txt"),
    ("Microsoft.Storage.BlobRenamed", INPUT + "recipe.txt"),
    ("Microsoft.Storage.DirectoryCreated", INPUT + "letters"),
]


def event_filter(container="input"):
    body = properties(template("subscription.bicep").resources["subscription"].body)
    return value_of(properties(body["properties"])["filter"], {"inputContainer": container})


def lets_in(event_type, subject):
    """Say what Event Grid does with an event: https://learn.microsoft.com/azure/event-grid/event-filtering."""
    rule = event_filter()
    assert set(rule) == {"includedEventTypes", "subjectBeginsWith", "isSubjectCaseSensitive"}
    return event_type in rule["includedEventTypes"] and subject.startswith(rule["subjectBeginsWith"])


@pytest.mark.parametrize(("event_type", "subject"), LET_IN)
def test_a_new_input_file_reaches_the_trigger(event_type, subject):
    assert lets_in(event_type, subject)


@pytest.mark.parametrize(("event_type", "subject"), KEPT_OUT)
def test_an_output_or_anything_else_starts_no_task(event_type, subject):
    assert not lets_in(event_type, subject)


def test_the_container_is_the_one_that_the_app_reads():
    main = template("main.bicep")
    assert source(main.of("output")["INPUT_CONTAINER"].value) == "chosenSettings.INPUT_CONTAINER"
    app = properties(properties(main.of("module")["app"].body)["params"])
    assert source(app["settings"]) == "chosenSettings"
