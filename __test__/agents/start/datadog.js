'use strict'

// The agent of Datadog's that the tracer sends to is a server in the test; what comes is MessagePack, in which names are text.
require('dd-trace').init({ url: process.env.COLLECTOR, service: 'agents', flushInterval: 50, startupLogs: false, runtimeMetrics: false, profiling: false })
globalThis.seenByAgent = async () => {
  const deadline = Date.now() + 15_000
  for (;;) {
    const text = await (await fetch(`${process.env.COLLECTOR}/seen`)).text()
    const names = text.match(/GET \/(?:users\/:id|orders\/:order\/items)/g) ?? []
    if (names.length >= 45 || Date.now() > deadline) return names
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
