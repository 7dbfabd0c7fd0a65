'use strict'

// The server of `npm run bench:production`: node server.js <directory> <MB of heap> <leak: 1 or 0>. Preset `production` as it is, no option turned. Every ten
// seconds it tells what is reported.

const http = require('node:http')
const { start } = require('../../index.js')

const [, , directory, megabytes, leak] = process.argv
const TELL_MS = 10_000
const CACHED = 2_000
const SESSION_MS = 60_000

/** What a service of some size holds: records by identifier. */
const records = new Map()
const kept = []
const cache = new Map()
const sessions = new Map()

const probe = start({ directory, service: 'production' })

function fill () {
  while (process.memoryUsage().heapUsed < megabytes * 1e6) {
    for (let i = 0; i < 10_000; i++) {
      const id = records.size
      records.set(id, { id, name: `record ${id}`, tags: [id % 7, id % 11], place: { row: id, column: id % 100 } })
    }
  }
}

/** Its `values` is 1 kB on its own: 120 numbers with a fraction. */
const context = (customer) => ({ customer, values: Array.from({ length: 120 }, (_, i) => customer + i / 3) })

const routes = {
  mails (id) {
    const made = context(id)
    if (leak === '1') kept.push(made)
    return `mail for ${made.customer}, ${made.values.length} values`
  },
  search (id) {
    if (!cache.has(id)) {
      cache.set(id, Array.from({ length: 100 }, (_, i) => ({ id, rank: i })))
      if (cache.size > CACHED) cache.delete(cache.keys().next().value)
    }
    return `${cache.get(id).length} hits`
  },
  sessions (id) {
    sessions.set(id, { at: Date.now(), cart: Array.from({ length: 20 }, () => ({ id })) })
    return 'welcome'
  },
  reports (id) {
    const rows = Array.from({ length: 2_000 }, (_, row) => ({ row, text: `${row} of ${id}` }))
    return `${rows.length} rows`
  },
  records: (id) => JSON.stringify(records.get(id % records.size)),
  health: () => 'ok'
}

setInterval(() => {
  const until = Date.now() - SESSION_MS
  for (const [id, { at }] of sessions) if (at < until) sessions.delete(id)
}, 1_000)

const server = http.createServer((request, response) => {
  const [, kind, id] = request.url.split('/')
  const route = routes[kind]
  if (route === undefined) return response.writeHead(404).end()
  response.end(route(Number(id)))
})

function told () {
  const { verdict, leaks, hypotheses } = probe.report()
  const { cost, investigation, gc } = probe.stats()
  return {
    atMs: Math.round(performance.now()),
    verdict,
    leaks: leaks.map(({ routes, resource, perRequest, confidence }) => ({ routes, resource, perRequest, confidence })),
    freezes: cost.freezes,
    pauseMs: cost.pauseMs,
    cpuMs: cost.cpuMs,
    shadowCpuMs: cost.budget.shadowCpuMs,
    investigation,
    floorBytes: gc.floor,
    kept: kept.length,
    hypotheses: hypotheses.length
  }
}

fill()
server.listen(0, '127.0.0.1', () => {
  process.send({ port: server.address().port, heapBytes: process.memoryUsage().heapUsed })
  setInterval(() => process.send({ told: told() }), TELL_MS)
})
process.on('message', async ({ end }) => {
  if (!end) return
  await probe.stop()
  process.exit(0)
})
process.on('disconnect', () => process.exit(0))
