// Events about new input files go to the blob trigger. infra/scripts/deploy.py deploys this file after the app's code:
// Event Grid asks the endpoint for a proof first, and the key exists once the host has loaded a blob trigger
// (https://learn.microsoft.com/azure/azure-functions/functions-event-grid-blob-trigger).

param functionAppName string
param topicName string
param inputContainer string

resource app 'Microsoft.Web/sites@2025-05-01' existing = {
  name: functionAppName
}

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: topicName
}

resource subscription 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: 'input-files'
  properties: {
    eventDeliverySchema: 'EventGridSchema'
    destination: {
      endpointType: 'WebHook'
      properties: {
        // Azure Resource Manager puts the key in: it is in no file, log or output, and on nobody's machine.
        endpointUrl: 'https://${app.properties.defaultHostName}/runtime/webhooks/blobs?functionName=Host.Functions.submit_blob&code=${listKeys('${app.id}/host/default', '2025-05-01').systemKeys.blobs_extension}'
        maxEventsPerBatch: 1
      }
    }
    // The trigger looks at neither type nor container: without this filter its own output would become its input.
    filter: {
      includedEventTypes: ['Microsoft.Storage.BlobCreated']
      subjectBeginsWith: '/blobServices/default/containers/${inputContainer}/'
      isSubjectCaseSensitive: true
    }
    retryPolicy: {
      maxDeliveryAttempts: 30
      eventTimeToLiveInMinutes: 1440
    }
  }
}
