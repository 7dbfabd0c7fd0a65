'use strict'

const assert = require('node:assert/strict')
const http = require('node:http')
const channels = require('node:diagnostics_channel')
const { once } = require('node:events')
const { test } = require('node:test')
const leakprobe = require('../index.js')
const { startProbe, listen, request, until, countsAre } = require('./helper')

const CHANNELS = ['http.server.request.start', 'http.server.response.finish', 'net.server.socket', 'fastify.initialization']

test('a second start() is refused while a probe runs, and possible after stop()', async (t) => {
  const probe = startProbe(t)

  assert.throws(() => leakprobe.start({ directory: false }), { code: 'LEAKPROBE_ERR_ALREADY_STARTED' })
  await probe.stop()
  await startProbe(t).stop()
})

test('stop() twice is one stop, and what is asked afterwards is refused', async (t) => {
  const probe = startProbe(t)

  await Promise.all([probe.stop(), probe.stop()])
  await probe.stop()

  assert.throws(() => probe.stats(), { code: 'LEAKPROBE_ERR_STOPPED' })
  assert.throws(() => probe.report(), { code: 'LEAKPROBE_ERR_STOPPED' })
  await assert.rejects(probe.capture(), { code: 'LEAKPROBE_ERR_STOPPED' })
  assert.equal(probe.track('job', () => 5), 5)
  probe.setRoute({}, 'GET /x')
})

test('after stop() no subscription, listener or hook is left, on open connections neither', async (t) => {
  const Koa = require('koa3')
  const app = new Koa()
  app.use((ctx) => { ctx.body = 'ok' })
  const before = new Set(Reflect.ownKeys(require('koa3/lib/context.js')))
  const server = http.createServer(app.callback())
  const sockets = []
  server.on('connection', (socket) => sockets.push(socket))
  const port = await listen(t, server)
  const agent = new http.Agent({ keepAlive: true })
  t.after(() => agent.destroy())
  await request(port, '/before', { agent })
  const counts = () => [server, sockets[0], process].map((emitter) => emitter.eventNames().map((name) => [name, emitter.listenerCount(name)]))
  const listeners = counts()

  const probe = startProbe(t)
  await request(port, '/during', { agent })
  await countsAre(probe, { 'GET /during': 1 })
  assert.notDeepEqual(counts(), listeners)
  await probe.stop()

  assert.equal(sockets.length, 1)
  assert.deepEqual(counts(), listeners)
  assert.deepEqual(new Set(Reflect.ownKeys(require('koa3/lib/context.js'))), before)
  for (const name of CHANNELS) assert.equal(channels.hasSubscribers(name), false, name)
})

test('with heap statistics and collections from JavaScript requests are counted all the same', async (t) => {
  const probe = startProbe(t, { without: ['native-heap-statistics', 'native-gc', 'loop-idle-time'] })
  const kept = []
  const port = await listen(t, http.createServer((req, res) => {
    kept.push(new Array(20_000).fill(req.url))
    res.end('ok')
  }))

  for (let i = 0; i < 300; i++) await request(port, '/grow')

  await countsAre(probe, { 'GET /grow': 300 })
  assert.ok(kept.length === 300 && probe.stats().heap.used > 300 * 20_000 * 4, `heap in use: ${probe.stats().heap.used}`)
  await until(() => {
    const { gc } = probe.stats()
    return gc.minor + gc.major > 0
  }, 'perf_hooks told of a collection')
})

test('floors are forced while requests come in, and their pauses are told', async (t) => {
  const probe = startProbe(t, { floors: 'forced', floorIntervalMs: 100, floorPauseShare: 0.5 })
  const port = await listen(t, http.createServer((req, res) => res.end('ok')))

  await until(async () => {
    await request(port, '/floor')
    return probe.stats().cost.pauseMs.total > 0
  })
})

test('the cost of watching is measured and told', async (t) => {
  const probe = startProbe(t)
  const port = await listen(t, http.createServer((req, res) => res.end('ok')))
  const agent = new http.Agent({ keepAlive: true })
  t.after(() => agent.destroy())

  for (let i = 0; i < 300; i++) await request(port, '/cost', { agent })

  await until(() => probe.stats().cost.perRequestNs > 0)
})

test('an incident asked for is complete when its promise resolves, and told by event and channel', async (t) => {
  const probe = startProbe(t)
  const published = []
  const subscriber = (incident) => published.push(incident.id)
  channels.subscribe('leakprobe:incident', subscriber)
  t.after(() => channels.unsubscribe('leakprobe:incident', subscriber))
  const event = once(probe, 'incident')

  const incident = await probe.capture({ reason: 'by-test' })

  assert.match(incident.id, /^[0-9a-f]+$/)
  assert.equal((await event)[0].id, incident.id)
  assert.ok(published.includes(incident.id))
  await assert.rejects(probe.capture({ reason: '../up' }), { code: 'LEAKPROBE_ERR_ARGUMENT' })
  await assert.rejects(probe.capture({ heapSnapshot: 'yes' }), { code: 'LEAKPROBE_ERR_ARGUMENT' })
})

test('an incident that is waited for when the probe stops is given up with a coded error', async (t) => {
  const probe = startProbe(t)

  const pending = probe.capture()
  await Promise.all([assert.rejects(pending, { code: 'LEAKPROBE_ERR_CAPTURE' }), probe.stop()])
})

test('the names are there for import as for require', async () => {
  const imported = await import('../index.js')

  assert.equal(imported.start, leakprobe.start)
  assert.equal(imported.honoRoutes, leakprobe.honoRoutes)
  assert.equal(imported.version, require('../package.json').version)
})
