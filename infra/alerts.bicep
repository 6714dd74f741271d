// Alerts when files wait for long or fail, and when the app is silent: three rules over what it logs
// (docs/operations.md, Seen in production). Each has its price, a higher one where it looks more often than every 15
// minutes: docs/azure.md#cost. Rows are counted by their itemCount: a sampled row stands in for that many.

param location string
param tags object
param token string
param insightsName string

@description('Who gets a mail; empty: the alerts are shown in the portal alone.')
param email string

@description('For how many minutes a file may wait for a node, or to be handed to Batch.')
param waitingMinutes int

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(email)) {
  name: 'people-${token}'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'batchdrop'
    enabled: true
    emailReceivers: [
      {
        name: 'mail'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

resource waiting 'Microsoft.Insights/scheduledQueryRules@2021-08-01' = {
  name: 'waiting-${token}'
  location: location
  tags: tags
  properties: {
    displayName: 'A file waits for long'
    description: 'The oldest file that does not run has been waiting for more than ${waitingMinutes} minutes: its record says why.'
    severity: 2
    enabled: true
    autoMitigate: true
    scopes: [insights.id]
    evaluationFrequency: 'PT15M'
    windowSize: 'PT30M'
    criteria: {
      allOf: [
        {
          query: '''
            traces
            | where message startswith "Reconciled: "
            | extend waited = toint(extract(@"oldest_waiting_seconds=(\d+)", 1, message))
            | where isnotnull(waited)
          '''
          metricMeasureColumn: 'waited'
          timeAggregation: 'Maximum'
          operator: 'GreaterThan'
          threshold: waitingMinutes * 60
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    actions: {
      actionGroups: empty(email) ? [] : [people.id]
    }
  }
}

resource failures 'Microsoft.Insights/scheduledQueryRules@2021-08-01' = {
  name: 'failures-${token}'
  location: location
  tags: tags
  properties: {
    displayName: 'Files have failed, or lost their output'
    description: 'Within an hour a task has failed, lost its output or been rejected: the log names each, and why.'
    severity: 3
    enabled: true
    autoMitigate: true
    scopes: [insights.id]
    evaluationFrequency: 'PT1H'
    windowSize: 'PT1H'
    criteria: {
      allOf: [
        {
          query: '''
            traces
            | where message matches regex "^Task [0-9A-Za-z-]+ is (failed|output_lost|rejected): "
          '''
          metricMeasureColumn: 'itemCount'
          timeAggregation: 'Total'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    actions: {
      actionGroups: empty(email) ? [] : [people.id]
    }
  }
}

// A rule over lines that are missing: the other two see nothing where nothing is logged. The query has a row if one of
// the ticks that bring files on has not ended once in the hour; `summarize` without `by` gives a row for no rows, too.
resource silence 'Microsoft.Insights/scheduledQueryRules@2021-08-01' = {
  name: 'silence-${token}'
  location: location
  tags: tags
  properties: {
    displayName: 'The app does not work'
    description: 'Within an hour files were not looked for, open tasks not gone through, or no output was collected.'
    severity: 1
    enabled: true
    autoMitigate: true
    scopes: [insights.id]
    evaluationFrequency: 'PT15M'
    windowSize: 'PT1H'
    criteria: {
      allOf: [
        {
          query: '''
            traces
            | summarize
                swept = countif(message startswith "Swept: "),
                reconciled = countif(message startswith "Reconciled: "),
                collected = countif(message startswith "Collected: ")
            | where swept == 0 or reconciled == 0 or collected == 0
          '''
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    actions: {
      actionGroups: empty(email) ? [] : [people.id]
    }
  }
}
