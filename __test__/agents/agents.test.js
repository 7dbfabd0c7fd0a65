'use strict'

// Other agents beside leakprobe, started before and after it: routes are right for both, and a capture works.

const assert = require('node:assert/strict')
const { spawn } = require('node:child_process')
const { once } = require('node:events')
const http = require('node:http')
const path = require('node:path')
const { test } = require('node:test')
const { pathToFileURL } = require('node:url')
const { endAfter, listen, makeDirectory } = require('../helper.js')

const REGISTER = path.join(__dirname, '..', '..', 'register.js')
const MAJOR = Number(process.versions.node.split('.')[0])
const freezes = process.platform === 'linux' && process.report.getReport().header.glibcVersionRuntime !== undefined

const AGENTS = [
  { name: 'OpenTelemetry', file: 'otel.js', users: /GET \/users\/:id/, orders: /GET \/orders\/:order\/items/ },
  { name: 'Sentry', file: 'sentry.js', flag: '--import', users: /GET \/users\/:id/, orders: /GET \/orders\/:order\/items/ },
  { name: 'Datadog', file: 'datadog.js', users: /GET \/users\/:id/, orders: /GET \/orders\/:order\/items/ },
  { name: 'New Relic', file: 'newrelic.js', users: /GET\/+users\/:id/, orders: /GET\/+orders\/:order\/items/ }
]

for (const { name, file, flag = '--require', users, orders } of AGENTS) {
  for (const order of ['before', 'after']) {
    test(`${name} started ${order} leakprobe`, { timeout: 120_000 }, async (t) => {
      const agent = path.join(__dirname, 'start', file)
      const modules = order === 'before' ? [agent, REGISTER] : [REGISTER, agent]

      const { ended, told, stderr } = await run(t, modules.flatMap((module) => [flag, flag === '--import' ? pathToFileURL(module).href : module]))

      assert.deepEqual(ended, [7, null], stderr)
      assert.deepEqual([told.native, told.errors], ['native', []])
      assert.deepEqual(told.routes, { 'GET /users/:id': 30, 'GET /orders/:order/items': 15 })
      assert.deepEqual([told.seen.filter((one) => users.test(one)).length, told.seen.filter((one) => orders.test(one)).length], [30, 15], JSON.stringify([...new Set(told.seen)]))
      if (freezes) assert.equal(told.shadow.state, 'answered', JSON.stringify(told.shadow))
      assert.doesNotMatch(stderr, /leakprobe/i)
    })
  }
}

async function run (t, args) {
  const port = await collector(t)
  const child = endAfter(t, spawn(process.execPath, [...args, path.join(__dirname, 'app.js')], {
    env: { ...process.env, NODE_OPTIONS: '', COLLECTOR: `http://127.0.0.1:${port}`, LEAKPROBE_DIRECTORY: makeDirectory(t), LEAKPROBE_PRESET: 'test', LEAKPROBE_TRIGGERS: 'false', DD_INSTRUMENTATION_TELEMETRY_ENABLED: 'false', DD_REMOTE_CONFIGURATION_ENABLED: 'false' },
    stdio: ['ignore', 'pipe', 'pipe']
  }))
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (chunk) => { stdout += chunk })
  child.stderr.on('data', (chunk) => { stderr += chunk })
  const ended = await once(child, 'close')
  assert.ok(stdout.startsWith('{'), `Node ${MAJOR}: ${stdout}${stderr}`)
  return { ended, told: JSON.parse(stdout), stderr }
}

/** A collector of traces: keeps what it gets, and tells it. */
function collector (t) {
  let seen = ''
  return listen(t, http.createServer((request, response) => {
    if (request.url === '/seen') return response.end(seen)
    const chunks = []
    request.on('data', (chunk) => chunks.push(chunk)).on('end', () => {
      if (request.url.includes('traces')) seen += Buffer.concat(chunks).toString('latin1')
      response.setHeader('content-type', 'application/json')
      response.end('{"rate_by_service":{}}')
    })
  }))
}
