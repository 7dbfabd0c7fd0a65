'use strict'

// `/metrics`, and what docs/grafana/ makes of them. promtool checks what it can, where it is installed.

const assert = require('node:assert/strict')
const { execFileSync, spawnSync } = require('node:child_process')
const fs = require('node:fs')
const http = require('node:http')
const path = require('node:path')
const { test } = require('node:test')
const { listen, makeDirectory, request, startProbe, until } = require('./helper.js')

const GRAFANA = path.join(__dirname, '..', 'docs', 'grafana')
const PROMTOOL = spawnSync('promtool', ['--version']).error === undefined
const needsPromtool = { skip: PROMTOOL ? false : 'promtool is not installed (Debian: prometheus)' }

/** Metrics of a server that has answered, failed and been waited for. */
async function served (t) {
  const app = await listen(t, http.createServer((req, res) => {
    res.statusCode = req.url === '/bad' ? 500 : 200
    res.end('ok')
  }))
  const probe = startProbe(t, { serve: 0, routes: ['GET /mails/:customer', 'GET /bad'], triggers: undefined })
  const port = Number(new URL(probe.stats().server.address).port)
  for (let index = 0; index < 4; index++) await request(app, `/mails/${index}`)
  await request(app, '/bad')
  await until(async () => (await request(port, '/metrics')).body.includes('leakprobe_http_requests_total{route="GET /bad",outcome="failed"} 1'))
  // Process and heap are read each second.
  await until(async () => /process_resident_memory_bytes \d/.test((await request(port, '/metrics')).body))
  return port
}

function values (text) {
  const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(samples.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1).replace('+Inf', 'Infinity'))]))
}

function namesIn (text) {
  return new Set([...values(text).keys()].map((sample) => sample.split('{')[0].replace(/_(bucket|sum|count)$/, '')))
}

test('metrics count requests by route, and the format is the client’s choice', async (t) => {
  const port = await served(t)

  const ask = async (accept) => {
    const response = await fetch(`http://127.0.0.1:${port}/metrics`, { headers: { accept } })
    return { type: response.headers.get('content-type'), vary: response.headers.get('vary'), text: await response.text() }
  }
  const plain = await ask('text/plain')
  const open = await ask('application/openmetrics-text;version=1.0.0,text/plain;q=0.5')

  assert.equal(plain.type, 'text/plain; version=0.0.4; charset=utf-8')
  assert.equal(open.type, 'application/openmetrics-text; version=1.0.0; charset=utf-8')
  assert.equal(plain.vary, 'accept')
  assert.ok(open.text.endsWith('\n# EOF\n') && !plain.text.includes('# EOF'))
  assert.deepEqual([...namesIn(open.text)].sort(), [...namesIn(plain.text)].sort())
  const found = values(plain.text)
  const mails = '{route="GET /mails/:customer"'
  assert.equal(found.get(`leakprobe_http_requests_total${mails},outcome="finished"}`), 4)
  assert.equal(found.get('leakprobe_http_requests_total{route="GET /bad",outcome="failed"}'), 1)
  assert.equal(found.get(`leakprobe_http_request_duration_seconds_count${mails}}`), 4)
  assert.equal(found.get(`leakprobe_http_request_duration_seconds_bucket${mails},le="+Inf"}`), 4)
  assert.ok(found.get('leakprobe_heap_used_bytes') > 1e6 && found.get('process_resident_memory_bytes') > 1e7)
  assert.equal([...found].filter(([name, value]) => name.startsWith('leakprobe_verdict{') && value === 1).length, 1)
  assert.ok(found.get(`leakprobe_info{service="test",node="${process.version}",version="${require('../package.json').version}"}`) === 1)
  assert.ok([...found.keys()].some((name) => name.startsWith('leakprobe_trigger_state{trigger="slow-route"')))
})

test('promtool finds nothing wrong with them', needsPromtool, async (t) => {
  const port = await served(t)
  const { body } = await request(port, '/metrics')

  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: body, encoding: 'utf8' })

  assert.deepEqual([status, stdout, stderr], [0, '', ''])
})

test('every metric is in docs/http-api.md', async (t) => {
  const port = await served(t)
  const document = fs.readFileSync(path.join(__dirname, '..', 'docs', 'http-api.md'), 'utf8')
  const told = [...document.matchAll(/`((?:leakprobe|process)?_[a-z_]+\*?)`/g)].map(([, name]) => name)

  const names = namesIn((await request(port, '/metrics')).body)

  const untold = [...names].filter((name) => !told.some((one) => one === name ||
    (one.endsWith('*') && name.startsWith(one.slice(0, -1))) || (one.startsWith('_') && name === `leakprobe${one}`)))
  assert.deepEqual(untold, [])
})

// What only leaking, slow or other processes have.
const SOMETIMES = new Set(['leakprobe_leak_confidence', 'leakprobe_leak_kept_per_request', 'leakprobe_leak_growth_per_hour',
  'leakprobe_leak_time_to_limit_seconds', 'leakprobe_slowdown_ratio', 'leakprobe_slowdown_doubling_seconds', 'leakprobe_route_kept_bytes',
  'leakprobe_route_watched_requests', 'leakprobe_heap_floor_bytes', 'leakprobe_process_malloc_bytes'])

test('the dashboard and the alert rules for Grafana and Prometheus ask for metrics that there are', async (t) => {
  const port = await served(t)
  const names = namesIn((await request(port, '/metrics')).body)
  const dashboard = JSON.parse(fs.readFileSync(path.join(GRAFANA, 'dashboard.json'), 'utf8'))
  const queries = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr))
    .concat(dashboard.templating.list.map(({ query }) => query.query ?? ''))
    .concat([...fs.readFileSync(path.join(GRAFANA, 'alerts.yml'), 'utf8').matchAll(/expr: (.*)/g)].map(([, expr]) => expr))

  const asked = new Set(queries.flatMap((query) => query.match(/\b(leakprobe|process)_[a-z_]+/g) ?? []).map((name) => name.replace(/_bucket$/, '')))

  assert.ok(asked.size > 20)
  assert.deepEqual([...asked].filter((name) => !names.has(name) && !SOMETIMES.has(name)), [])
  assert.equal(new Set(dashboard.panels.map(({ id }) => id)).size, dashboard.panels.length)
})

test('promtool finds nothing wrong with the alert rules and the queries of the dashboard', needsPromtool, (t) => {
  const directory = makeDirectory(t)
  const { panels } = JSON.parse(fs.readFileSync(path.join(GRAFANA, 'dashboard.json'), 'utf8'))
  const rules = panels.flatMap(({ targets }) => targets).map(({ expr }, index) => ({
    record: `query_${index}`, expr: expr.replaceAll('$__rate_interval', '5m').replaceAll('$instance', '.*').replaceAll('$route', '.*')
  }))
  const queries = path.join(directory, 'queries.json')
  fs.writeFileSync(queries, JSON.stringify({ groups: [{ name: 'dashboard', rules }] }))

  for (const file of [queries, path.join(GRAFANA, 'alerts.yml')]) {
    assert.match(execFileSync('promtool', ['check', 'rules', file], { encoding: 'utf8' }), /SUCCESS/)
  }
  execFileSync('promtool', ['test', 'rules', path.join(GRAFANA, 'alerts.test.yml')])
})
