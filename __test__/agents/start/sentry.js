'use strict'

const Sentry = require('@sentry/node')

const names = []
const client = Sentry.init({ dsn: 'http://public@127.0.0.1:9/1', tracesSampleRate: 1, transport: () => ({ send: async () => ({}), flush: async () => true }) })
client.on('spanEnd', (span) => {
  const { name, attributes } = Sentry.spanToJSON(span)
  if (attributes['sentry.op'] === 'http.server') names.push(name)
})
globalThis.seenByAgent = async () => names
