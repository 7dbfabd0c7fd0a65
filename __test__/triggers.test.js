'use strict'

// Each first trigger, tripped by a real server, judged by what is on disk.

const assert = require('node:assert/strict')
const { fork } = require('node:child_process')
const { EventEmitter, once } = require('node:events')
const fs = require('node:fs')
const http = require('node:http')
const path = require('node:path')
const test = require('node:test')
const { endAfter, listen, makeDirectory, request, startProbe, until } = require('./helper.js')

const limits = { forMs: 0, warmUpMs: 0, cooldownMs: 600_000, maxPerHour: 10 }

/** The incidents on disk, oldest first: `incident.json` with its path. */
function incidents (directory) {
  const folder = path.join(directory, 'test', 'incidents')
  if (!fs.existsSync(folder)) return []
  return fs.readdirSync(folder).filter((name) => !name.startsWith('.')).sort().map((name) => {
    const place = path.join(folder, name)
    return { place, ...JSON.parse(fs.readFileSync(path.join(place, 'incident.json'), 'utf8')) }
  })
}

async function tripped (directory) {
  await until(() => incidents(directory).length > 0, 'an incident is on disk')
  return incidents(directory)[0]
}

function isPrivate (place) {
  assert.equal(fs.statSync(place).mode & 0o777, 0o700)
  for (const name of fs.readdirSync(place)) {
    assert.equal(fs.statSync(path.join(place, name)).mode & 0o777, 0o600, name)
    assert.ok(!name.startsWith('.tmp'), name)
  }
}

test('a slow route trips the latency trigger, and its incident says which and how slow', async (t) => {
  const directory = makeDirectory(t)
  const probe = startProbe(t, {
    directory,
    triggers: [{ name: 'slow', when: { type: 'latency', quantile: 0.9, aboveMs: 20, minRequests: 5 }, routes: ['GET /slow*'], ...limits }]
  })
  const port = await listen(t, http.createServer((req, res) => setTimeout(() => res.end('x'), req.url.startsWith('/slow') ? 40 : 0)))
  const [told] = await Promise.all([
    once(probe, 'incident'),
    (async () => { for (let i = 0; i < 8; i++) await Promise.all([request(port, '/slow/7'), request(port, '/quick')]) })()
  ])

  const incident = await tripped(directory)

  assert.equal(incident.id, told[0].id)
  assert.equal(incident.schema, 'leakprobe.incident/1')
  assert.equal(incident.reason, 'slow')
  assert.equal(incident.trip.route, 'GET /slow/:id')
  assert.ok(incident.trip.value >= 37, `${incident.trip.value} ms`)
  assert.equal(incident.trip.threshold, 20)
  assert.equal(incident.heapSnapshot.state, 'not-asked')
  assert.ok(incident.stats.routes.some(({ route }) => route === 'GET /slow/:id'))
  isPrivate(incident.place)
  const report = JSON.parse(fs.readFileSync(path.join(incident.place, 'report.json'), 'utf8'))
  assert.equal(report.schema, 'leakprobe.report/1')
})

test('listeners on a shared emitter trip their trigger, and once only', async (t) => {
  const directory = makeDirectory(t)
  const probe = startProbe(t, { directory, triggers: [{ name: 'listeners', when: { type: 'listeners', above: 100 }, ...limits }] })
  const shared = new EventEmitter().setMaxListeners(0)
  t.after(() => shared.removeAllListeners())
  const port = await listen(t, http.createServer((req, res) => { shared.on('mail', () => req); res.end() }))
  for (let i = 0; i < 120; i++) await request(port, '/')

  const incident = await tripped(directory)

  assert.ok(incident.trip.value > 100 && incident.trip.unit === 'listeners')
  await until(() => probe.stats().triggers[0].state === 'tripped')
  assert.equal(incidents(directory).length, 1)
})

test('live timers trip their trigger', async (t) => {
  const directory = makeDirectory(t)
  startProbe(t, { directory, triggers: [{ name: 'timers', when: { type: 'timers', above: 50 }, ...limits }] })
  const mine = Array.from({ length: 60 }, () => setInterval(() => {}, 98_765))
  t.after(() => mine.forEach(clearInterval))

  const incident = await tripped(directory)

  assert.ok(incident.trip.value >= 60, `${incident.trip.value}`)
})

test('a heap near its limit trips, and a heap snapshot that would take too long in process is refused with the reason', async (t) => {
  const directory = makeDirectory(t)
  // More than a hundredth of the limit of four gigabytes that V8 sets itself.
  const filler = Array.from({ length: 1_000_000 }, (_, i) => ({ i }))
  t.after(() => filler.splice(0))
  startProbe(t, {
    directory,
    without: ['freeze'],
    maxSnapshotPauseMs: 1,
    triggers: [{ name: 'heap', when: { type: 'heap', aboveShare: 0.01 }, heapSnapshot: true, ...limits }]
  })

  const incident = await tripped(directory)

  assert.equal(incident.trip.unit, 'share')
  assert.equal(incident.heapSnapshot.state, 'refused')
  assert.match(incident.heapSnapshot.because, /would stand still for about \d+ ms, and 1 ms are allowed/)
})

test('a stalled event loop is on disk while it is still stalled', { timeout: 60_000 }, async (t) => {
  const directory = makeDirectory(t)
  const child = fork(path.join(__dirname, 'fixtures', 'stall.js'), [directory], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  endAfter(t, child)
  const [{ port }] = await once(child, 'message')
  const blocked = request(port, '/block').catch(() => 'never answered')

  const incident = await tripped(directory)

  const answered = await Promise.race([blocked, new Promise((resolve) => setImmediate(resolve, 'still blocked'))])
  assert.equal(answered, 'still blocked')
  assert.equal(incident.trip.condition, 'stall')
  assert.ok(incident.trip.value > 500 && incident.trip.value < 5_000, `${incident.trip.value} ms`)
  assert.equal(incident.stall.appThread, 'running', JSON.stringify(incident.stall))
  child.kill('SIGKILL')
  await blocked
})

test('an event loop that waits in a system call is told from one that computes', { timeout: 60_000 }, async (t) => {
  const directory = makeDirectory(t)
  const child = fork(path.join(__dirname, 'fixtures', 'stall.js'), [directory], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  endAfter(t, child)
  const [{ port }] = await once(child, 'message')
  const blocked = request(port, '/wait').catch(() => 'never answered')

  const incident = await tripped(directory)

  assert.equal(incident.stall.appThread, 'waiting', JSON.stringify(incident.stall))
  child.kill('SIGKILL')
  await blocked
})
