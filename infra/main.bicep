// Everything that batchdrop needs on Azure, in a resource group of its own: `azd up` makes it, `azd down` removes it.
// Nothing here names another resource group: `azd down` deletes each group that a resource of this deployment is in
// (https://github.com/Azure/azure-dev, cli/azd/pkg/azapi/standard_deployments.go, DeleteSubscriptionDeployment).
targetScope = 'subscription'

@description('The name of the azd environment: the resource group is called after it.')
@minLength(1)
@maxLength(64)
param environmentName string

@description('Where everything is made.')
@metadata({ azd: { type: 'location' } })
param location string

@description('Who deploys, and gets the roles that the command line needs; empty: nobody does.')
param principalId string = ''

@description('What the deploying principal is.')
@allowed(['User', 'ServicePrincipal', 'Group'])
param principalType string = 'User'

@description('The size of the pool\'s nodes. A pool that exists keeps its own.')
param vmSize string = 'STANDARD_D2S_V3'

@description('How many tasks a node runs at the same time. A pool that exists keeps its own.')
@minValue(1)
@maxValue(256)
param taskSlotsPerNode int = 1

@description('Whether the app asks for Spot nodes: cheaper, and Azure takes them away when it needs them.')
param spot bool = true

@description('The app never asks for more nodes than this.')
@minValue(1)
@maxValue(1000)
param maxNodes int = 4

@description('The endpoint of a Batch account that exists, such as https://ACCOUNT.REGION.batch.azure.com; empty: one is made.')
param existingBatchEndpoint string = ''

@description('The memory of an instance of the app, in MB, which its price depends on.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('Who gets a mail when files wait for long or fail, or the app is silent; empty: the portal alone shows it.')
param alertEmail string = ''

@description('For how many minutes a file may wait before there is an alert.')
@minValue(10)
param alertWaitingMinutes int = 120

@description('Whether the app sends metrics to Application Insights; its package must hold what sends them.')
param metrics bool = false

@description('The name of a storage queue, which is made, for a message about each task that ends; empty: none is sent.')
param eventsQueue string = ''

@description('How long records of tasks that have ended are kept, such as P90D; empty: they stay.')
param recordRetention string = ''

@description('How long the output of such tasks is kept, such as P30D; empty: it stays.')
param outputRetention string = ''

@description('Further settings of the app, or other values than those that app.bicep gives.')
param settings object = {}

var token = toLower(uniqueString(subscription().id, environmentName, location))
var tags = { 'azd-env-name': environmentName }
var poolName = 'files-pool'
var makesBatch = empty(existingBatchEndpoint)
// What is made, who may use it, and what the command line reads follow from these. Settings that would contradict the
// rest are refused by infra/scripts/check.py. The app reads an empty setting as one that is not set.
var chosenSettings = union({
  INPUT_CONTAINER: 'input'
  OUTPUT_CONTAINER: 'output'
  TABLE_NAME: 'tasks'
  POOL_MAX_NODES: string(maxNodes)
  POOL_SPOT_PERCENT: spot ? '100' : '0'
  EVENTS_QUEUE: eventsQueue
  RECORD_RETENTION_TIME: recordRetention
  OUTPUT_RETENTION_TIME: outputRetention
}, settings)

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identities 'identities.bicep' = {
  scope: group
  params: {
    location: location
    tags: tags
    token: token
  }
}

module monitoring 'monitoring.bicep' = {
  scope: group
  params: {
    location: location
    tags: tags
    token: token
  }
}

module storage 'storage.bicep' = {
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    inputContainer: chosenSettings.INPUT_CONTAINER
    outputContainer: chosenSettings.OUTPUT_CONTAINER
    tableName: chosenSettings.TABLE_NAME
  }
}

module queue 'queue.bicep' = if (!empty(chosenSettings.EVENTS_QUEUE)) {
  scope: group
  params: {
    storageName: storage.outputs.name
    queueName: chosenSettings.EVENTS_QUEUE
    principalId: principalId
    principalType: principalType
  }
}

module batch 'batch.bicep' = if (makesBatch) {
  scope: group
  params: {
    location: location
    tags: tags
    token: token
  }
}

module pool 'pool.bicep' = if (makesBatch) {
  scope: group
  params: {
    accountName: batch!.outputs.name
    poolName: poolName
    vmSize: vmSize
    taskSlotsPerNode: taskSlotsPerNode
    nodesIdentityId: identities.outputs.nodesId
    appPrincipalId: identities.outputs.appPrincipalId
    principalId: principalId
    principalType: principalType
  }
}

module roles 'roles.bicep' = {
  scope: group
  params: {
    storageName: storage.outputs.name
    insightsName: monitoring.outputs.insightsName
    inputContainer: chosenSettings.INPUT_CONTAINER
    outputContainer: chosenSettings.OUTPUT_CONTAINER
    appPrincipalId: identities.outputs.appPrincipalId
    nodesPrincipalId: identities.outputs.nodesPrincipalId
    principalId: principalId
    principalType: principalType
  }
}

module app 'app.bicep' = {
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    storageName: storage.outputs.name
    packageContainer: storage.outputs.packageContainer
    insightsName: monitoring.outputs.insightsName
    identityId: identities.outputs.appId
    identityClientId: identities.outputs.appClientId
    instanceMemoryMB: instanceMemoryMB
    batchEndpoint: batch.?outputs.endpoint ?? existingBatchEndpoint
    poolName: poolName
    nodesIdentityId: identities.outputs.nodesId
    taskSlotsPerNode: taskSlotsPerNode
    metrics: metrics
    settings: chosenSettings
  }
  // The app's package is fetched with its role.
  dependsOn: [roles]
}

module events 'events.bicep' = {
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    storageName: storage.outputs.name
  }
}

module alerts 'alerts.bicep' = {
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    insightsName: monitoring.outputs.insightsName
    email: alertEmail
    waitingMinutes: alertWaitingMinutes
  }
}

// What the hooks and the command line read from azd's environment; no key is among it.
output AZURE_RESOURCE_GROUP string = group.name
output AZURE_FUNCTION_APP_NAME string = app.outputs.name
output AZURE_FUNCTION_APP_URL string = app.outputs.url
output AZURE_EVENT_TOPIC_NAME string = events.outputs.topicName
output AZURE_APP_PRINCIPAL_ID string = identities.outputs.appPrincipalId
output AZURE_INSIGHTS_NAME string = monitoring.outputs.insightsName
output DATA_STORAGE__blobServiceUri string = storage.outputs.blobEndpoint
output DATA_STORAGE__queueServiceUri string = storage.outputs.queueEndpoint
output DATA_STORAGE__tableServiceUri string = storage.outputs.tableEndpoint
output INPUT_CONTAINER string = chosenSettings.INPUT_CONTAINER
output OUTPUT_CONTAINER string = chosenSettings.OUTPUT_CONTAINER
output TABLE_NAME string = chosenSettings.TABLE_NAME
output EVENTS_QUEUE string = chosenSettings.EVENTS_QUEUE
output RECORD_RETENTION_TIME string = chosenSettings.RECORD_RETENTION_TIME
output OUTPUT_RETENTION_TIME string = chosenSettings.OUTPUT_RETENTION_TIME
output BLOB_TRIGGER_SOURCE string = 'EventGrid'
output BATCH_ENDPOINT string = batch.?outputs.endpoint ?? existingBatchEndpoint
output BATCH_POOL_ID string = poolName
output POOL_EXISTING string = 'true'
output POOL_MAX_NODES string = chosenSettings.POOL_MAX_NODES
output POOL_SPOT_PERCENT string = chosenSettings.POOL_SPOT_PERCENT
output POOL_TASK_SLOTS_PER_NODE string = string(taskSlotsPerNode)
output POOL_IDENTITY_RESOURCE_ID string = identities.outputs.nodesId
