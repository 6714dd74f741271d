// Who the app is, and who its nodes are. They exist before what they may do, so that no role waits for an app or a pool.

param location string
param tags object
param token string

resource app 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-app-${token}'
  location: location
  tags: tags
}

// A pool can have user-assigned identities only (https://learn.microsoft.com/azure/batch/managed-identity-pools).
resource nodes 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-nodes-${token}'
  location: location
  tags: tags
}

output appId string = app.id
output appClientId string = app.properties.clientId
output appPrincipalId string = app.properties.principalId
output nodesId string = nodes.id
output nodesPrincipalId string = nodes.properties.principalId
