'use strict'

// The history over HTTP: by route and by process, what is refused, and why there is sometimes none.

const assert = require('node:assert/strict')
const { fork } = require('node:child_process')
const { once } = require('node:events')
const fs = require('node:fs')
const http = require('node:http')
const path = require('node:path')
const { test } = require('node:test')
const { endAfter, listen, makeDirectory, request, startProbe, until } = require('./helper.js')

const SERVED = path.join(__dirname, 'fixtures', 'served.js')
const TOKEN = 'a-token-of-20-bytes!'
const ROUTE = 'GET /mails/:customer'
const OF_ROUTE = ['requests', 'failed', 'threadMs', 'p50Ms', 'p95Ms', 'p99Ms']
const VERSION_PLACE = 60

async function ask (probe, query, headers = {}) {
  const response = await fetch(`${probe.stats().server.address}/api/history${query}`, { headers })
  assert.equal(response.headers.get('cache-control'), 'no-store')
  return { status: response.status, value: await response.json() }
}

async function refused (probe, query, status, code, message) {
  const { status: got, value } = await ask(probe, query)
  assert.deepEqual([got, value.error?.code], [status, code], `${query}: ${JSON.stringify(value)}`)
  assert.match(value.error.message, message, query)
}

const of = (route, more = '') => `?route=${encodeURIComponent(route)}${more}`
const sum = (values) => values.reduce((all, value) => all + (value ?? 0), 0)

test('a route and the processes are told window by window, and metrics are chosen', async (t) => {
  const app = await listen(t, http.createServer((req, res) => res.end('ok')))
  const probe = startProbe(t, { serve: 0, routes: [ROUTE], version: '1.2.3' })
  for (let index = 0; index < 7; index++) await request(app, `/mails/${index}`)

  const found = await until(async () => {
    const { status, value } = await ask(probe, of(ROUTE, '&minutes=60'))
    return status === 200 && sum(value.route.requests) === 7 && value
  })

  assert.equal(found.stepMs, 60_000)
  assert.ok(found.fromMs % 60_000 === 0 && found.times[0] === found.fromMs && found.times.at(-1) + 60_000 === found.toMs)
  assert.ok(found.toMs >= Date.now() - 60_000 && found.toMs <= Date.now() + 120_000)
  assert.deepEqual(Object.keys(found.route).sort(), ['route', ...OF_ROUTE].sort())
  for (const name of OF_ROUTE) assert.equal(found.route[name].length, found.times.length, name)
  assert.ok(found.route.p95Ms.some((value) => value > 0) && found.route.p95Ms[0] === null)
  assert.deepEqual(found.deployments.map(({ version }) => version), ['1.2.3'])
  assert.deepEqual(found.lives.map(({ pid, ended }) => [pid, ended]), [[process.pid, false]])
  assert.equal(found.process, undefined)

  const chosen = (await ask(probe, of(ROUTE, '&metric=p95Ms,requests&stepMs=3600000'))).value
  assert.deepEqual([Object.keys(chosen.route).sort(), chosen.stepMs], [['p95Ms', 'requests', 'route'], 3_600_000])
  assert.ok([168, 169].includes(chosen.times.length), 'a week, unless something else is asked for')
  assert.equal(sum(chosen.route.requests), 7)

  const service = (await ask(probe, '?minutes=60')).value
  assert.deepEqual(service.routes, [ROUTE])
  assert.equal(sum(service.process.requests), 7)
  assert.ok(service.process.rssBytes.some((bytes) => bytes > 10_000_000))
  const from = Date.now() - 3_600_000
  assert.equal(sum((await ask(probe, `${of(ROUTE)}&from=${from}&to=${Date.now() + 60_000}`)).value.route.requests), 7)
  assert.equal(sum((await ask(probe, `${of(ROUTE)}&from=${from}&to=${from + 600_000}`)).value.route.requests), 0)
})

test('a wrong query is refused, and the message says which parameter', async (t) => {
  const probe = startProbe(t, { serve: 0 })
  await until(async () => (await ask(probe, '')).status === 200)

  for (const [query, message] of [
    ['?unknown=1', /expected `name=value` with `route`, `metric`/], ['?route', /expected `name=value`/], ['?route=%ff', /UTF-8/],
    ['?minutes=0', /^minutes: expected a whole number from 1/], ['?minutes=1.5', /^minutes/], ['?minutes=9e9', /^minutes/],
    ['?from=2026-01-01', /^from: expected whole milliseconds/], ['?from=2000&to=1000', /^from: .* before `to`/], ['?from=0&minutes=1', /^from: .* not together/],
    ['?to=-1', /^to/], ['?from=0', /^from: .* 400 days/], ['?stepMs=1000', /^stepMs: expected 60000,/], ['?stepMs=60000', /^stepMs: .* 1500 windows/],
    ['?metric=secrets', /^metric: without a route expected/], ['?route=a&metric=rssBytes', /^metric: expected some of requests/]
  ]) await refused(probe, query, 400, 'LEAKPROBE_ERR_QUERY', message)
  await refused(probe, '?route=GET%20/none', 404, 'LEAKPROBE_ERR_NOT_FOUND', /no such route/)
  const post = await fetch(`${probe.stats().server.address}/api/history`, { method: 'POST' })
  assert.deepEqual([post.status, post.headers.get('allow')], [405, 'GET, HEAD'])
})

test('where no history is kept, or its file cannot be read, the answer says why', async (t) => {
  const off = startProbe(t, { serve: 0, history: false })
  await refused(off, '', 404, 'LEAKPROBE_ERR_NO_HISTORY', /switched off by the option `history`/)
  await off.stop()
  const nowhere = startProbe(t, { serve: 0, directory: false })
  await refused(nowhere, '', 404, 'LEAKPROBE_ERR_NO_HISTORY', /no directory/)
  await nowhere.stop()

  const directory = makeDirectory(t)
  const first = startProbe(t, { serve: 0, directory })
  await until(async () => (await ask(first, '')).status === 200)
  await first.stop()
  const file = path.join(directory, 'test', 'history.sqlite')
  fs.rmSync(`${file}-wal`, { force: true })
  const bytes = fs.readFileSync(file)
  bytes.writeUInt32BE(99, VERSION_PLACE)
  fs.writeFileSync(file, bytes)
  const newer = startProbe(t, { serve: 0, directory })
  await refused(newer, '', 503, 'LEAKPROBE_ERR_HISTORY', /^history\.sqlite: it was written by a newer leakprobe/)
  // The recorder looks at it again every 10 s, and begins a new one where there is none.
  for (const end of ['', '-wal', '-shm']) fs.rmSync(`${file}${end}`, { force: true })
  const { status, value } = await ask(newer, '')
  assert.ok(status === 200 || (status === 503 && /^there is no history\.sqlite just now/.test(value.error.message)), JSON.stringify(value))
  await until(async () => (await ask(newer, '')).status === 200, 'a new history is begun', 60_000)
})

test('only those who know the token are answered', async (t) => {
  const probe = startProbe(t, { serve: { port: 0, token: TOKEN } })

  assert.equal((await ask(probe, '')).status, 401)
  await until(async () => (await ask(probe, '', { authorization: `Bearer ${TOKEN}` })).status === 200)
})

test('it answers while the event loop does not turn', async (t) => {
  const child = endAfter(t, fork(SERVED, [JSON.stringify({ directory: makeDirectory(t) })], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] }))
  const [{ app, address }] = await once(child, 'message')
  request(app, '/spin').catch(() => {})
  await until(async () => (await (await fetch(`${address}/api/stats`)).json()).eventLoop.silentMs > 1000)

  const history = await until(async () => {
    const response = await fetch(`${address}/api/history?minutes=5`)
    return response.status === 200 && response.json()
  })

  assert.ok(sum(history.process.loopStallMs) >= 0)
  assert.equal(history.lives[0].pid, child.pid)
})
