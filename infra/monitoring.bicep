// Where logs, requests and metrics go.

param location string
param tags object
param token string

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-07-01' = {
  name: 'log-${token}'
  location: location
  tags: tags
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: 30
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: 'appi-${token}'
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    // What the connection string holds is no key then: only an identity with the role may write.
    DisableLocalAuth: true
  }
}

output insightsName string = insights.name
output workspaceName string = workspace.name
