// What batchdrop needs of a Batch account: a pool with an identity, and roles. The account is the one of batch.bicep, or
// one that exists, in whose resource group infra/scripts/deploy.py deploys this file by itself.

param accountName string
param poolName string
param vmSize string
param taskSlotsPerNode int
param nodesIdentityId string
param appPrincipalId string
param principalId string = ''
param principalType string = 'User'

// Azure Batch Data Contributor: jobs and tasks, and pools, which the app resizes
// (https://learn.microsoft.com/azure/batch/batch-role-based-access-control).
var batchDataContributor = '6aaa78f1-f7de-44ca-8722-c64a23943cae'

resource account 'Microsoft.Batch/batchAccounts@2025-06-01' existing = {
  name: accountName
}

// The app owns the number of nodes from here on: results may be on them. A second PUT would set it back, or fail with
// PropertyCannotBeUpdated, as it does for pools with an identity (https://github.com/Azure/Batch/issues/153). So a pool
// that exists is left as it is, whatever has changed here: delete it, and the next deployment makes it again. The
// decorator works on resources at the top of a file only (https://github.com/Azure/bicep/issues/18603).
@onlyIfNotExists()
resource pool 'Microsoft.Batch/batchAccounts/pools@2025-06-01' = {
  parent: account
  name: poolName
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${nodesIdentityId}': {} }
  }
  properties: {
    vmSize: vmSize
    taskSlotsPerNode: taskSlotsPerNode
    taskSchedulingPolicy: { nodeFillType: 'Spread' }
    deploymentConfiguration: {
      virtualMachineConfiguration: {
        imageReference: {
          publisher: 'canonical'
          offer: 'ubuntu-24_04-lts'
          sku: 'server'
          version: 'latest'
        }
        nodeAgentSkuId: 'batch.node.ubuntu 24.04'
      }
    }
    scaleSettings: {
      fixedScale: {
        targetDedicatedNodes: 0
        targetLowPriorityNodes: 0
      }
    }
  }
}

resource appRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: account
  name: guid(account.id, appPrincipalId, batchDataContributor)
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', batchDataContributor)
  }
}

resource personRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(principalId)) {
  scope: account
  name: guid(account.id, principalId, batchDataContributor)
  properties: {
    principalId: principalId
    principalType: principalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', batchDataContributor)
  }
}
