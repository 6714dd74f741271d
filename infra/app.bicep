// The Function App, on Flex Consumption: the plan of Python 3.13 that costs nothing while nothing runs.

param location string
param tags object
param token string
param storageName string
param packageContainer string
param insightsName string
param identityId string
param identityClientId string
param instanceMemoryMB int
param batchEndpoint string
param poolName string
param nodesIdentityId string
param taskSlotsPerNode int
param metrics bool

@description('What main.bicep makes of its parameters, and what a person has chosen: they win over those here.')
param settings object

resource storage 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageName
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

resource plan 'Microsoft.Web/serverfarms@2025-05-01' = {
  name: 'plan-${token}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2025-05-01' = {
  name: 'func-${token}'
  location: location
  // azd finds the app of a service by this tag.
  tags: union(tags, { 'azd-service-name': 'app' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${storage.properties.primaryEndpoints.blob}${packageContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: {
        name: 'python'
        version: '3.13'
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: 40
      }
    }
    siteConfig: { minTlsVersion: '1.2' }
  }
}

// The runtime and its version are in functionAppConfig. Flex Consumption deprecates the settings that say so elsewhere:
// https://learn.microsoft.com/azure/azure-functions/functions-app-settings#flex-consumption-plan-deprecations.
// One of them, FUNCTIONS_WORKER_RUNTIME, it refuses: https://github.com/microsoft/vscode-azurefunctions/issues/4142.
resource appSettings 'Microsoft.Web/sites/config@2025-05-01' = {
  parent: app
  name: 'appsettings'
  properties: union({
    AzureWebJobsStorage__blobServiceUri: storage.properties.primaryEndpoints.blob
    AzureWebJobsStorage__queueServiceUri: storage.properties.primaryEndpoints.queue
    AzureWebJobsStorage__tableServiceUri: storage.properties.primaryEndpoints.table
    AzureWebJobsStorage__credential: 'managedidentity'
    AzureWebJobsStorage__clientId: identityClientId
    APPLICATIONINSIGHTS_CONNECTION_STRING: insights.properties.ConnectionString
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'Authorization=AAD;ClientId=${identityClientId}'
    DATA_STORAGE__blobServiceUri: storage.properties.primaryEndpoints.blob
    DATA_STORAGE__queueServiceUri: storage.properties.primaryEndpoints.queue
    DATA_STORAGE__tableServiceUri: storage.properties.primaryEndpoints.table
    DATA_STORAGE__credential: 'managedidentity'
    DATA_STORAGE__clientId: identityClientId
    BLOB_TRIGGER_SOURCE: 'EventGrid'
    BATCH_ENDPOINT: batchEndpoint
    BATCH_POOL_ID: poolName
    // The pool is Bicep's to make, and the app's to scale.
    POOL_EXISTING: 'true'
    POOL_TASK_SLOTS_PER_NODE: string(taskSlotsPerNode)
    POOL_IDENTITY_RESOURCE_ID: nodesIdentityId
    // Timers run whether or not there is work, and each run is billed for a second at least: docs/azure.md#cost.
    COLLECT_SCHEDULE: '0 * * * * *'
    SCALE_SCHEDULE: '30 * * * * *'
    SWEEP_SCHEDULE: '0 */10 * * * *'
    TIDY_SCHEDULE: '0 30 * * * *'
  }, metrics ? {
    // The worker sends metrics itself, and nothing else: logs and requests stay the host's, as without metrics. That
    // needs the host's own telemetryMode. As OpenTelemetry it would leave out what such a worker logs, and nobody would
    // send it (src/WebJobs.Script/Diagnostics/OpenTelemetry/OpenTelemetryConfigurationExtensions.cs of
    // https://github.com/Azure/azure-functions-host).
    PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY: 'true'
    OTEL_LOGS_EXPORTER: 'none'
    OTEL_TRACES_EXPORTER: 'none'
    // All that it knows: what is not patched costs no time at a start.
    OTEL_PYTHON_DISABLED_INSTRUMENTATIONS: 'azure_sdk,django,fastapi,flask,httpx,httpx2,psycopg2,requests,urllib,urllib3'
  } : {}, settings)
}

output name string = app.name
output url string = 'https://${app.properties.defaultHostName}'
