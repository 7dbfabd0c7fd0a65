'use strict'

// Without a collector it records in its mode for functions, and hands nothing over.
Object.assign(process.env, {
  NEW_RELIC_NO_CONFIG_FILE: 'true', NEW_RELIC_APP_NAME: 'agents', NEW_RELIC_LICENSE_KEY: '0'.repeat(40), NEW_RELIC_LOG_ENABLED: 'false',
  NEW_RELIC_SERVERLESS_MODE_ENABLED: 'true', NEW_RELIC_ACCOUNT_ID: '1', NEW_RELIC_PRIMARY_APPLICATION_ID: '1', NEW_RELIC_NATIVE_METRICS_ENABLED: 'false'
})
const { agent } = require('newrelic')

const names = []
agent.on('transactionFinished', (transaction) => names.push(transaction.name))
globalThis.seenByAgent = async () => names
