// The Batch account. Its pool is in pool.bicep, which an account that exists can have as well.

param location string
param tags object
param token string

// No storage account is linked to it. Nodes read and write by their own identity; by a link tasks could name every
// container of that account as their input (https://learn.microsoft.com/azure/batch/resource-files), the host's own
// among them.
resource account 'Microsoft.Batch/batchAccounts@2025-06-01' = {
  name: 'batch${token}'
  location: location
  tags: tags
  properties: {
    poolAllocationMode: 'BatchService'
    allowedAuthenticationModes: ['AAD']
    publicNetworkAccess: 'Enabled'
  }
}

output name string = account.name
output endpoint string = 'https://${account.properties.accountEndpoint}'
