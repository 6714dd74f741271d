// The queue that gets a message about each task that ends (docs/operations.md#events). What the app may do in it follows
// from its role in the account.

param storageName string
param queueName string
param principalId string
param principalType string

var queueDataContributor = '974c5e8b-45b9-4653-ba55-5f855dd0fb88'

resource storage 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageName
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices@2025-06-01' existing = {
  parent: storage
  name: 'default'
}

resource queue 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-06-01' = {
  parent: queues
  name: queueName
}

// For the command line, in this queue alone: `setup` puts it, `doctor` looks at it and tries to send, and `cancel` sends
// the event of what it ends. Message Sender would be enough for the last.
resource personOnQueue 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(principalId)) {
  scope: queue
  name: guid(queue.id, principalId, queueDataContributor)
  properties: {
    principalId: principalId
    principalType: principalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueDataContributor)
  }
}
