'use strict'

// Triggers, tripped by a real server, judged by what is on disk.

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

test('a route is held against its own baseline, and one that is slow and stable is not named', { timeout: 120_000 }, async (t) => {
  const directory = makeDirectory(t)
  const probe = startProbe(t, {
    directory,
    windowMs: 200,
    warmUpMs: 0,
    triggers: [{ name: 'slower', when: { type: 'latency', timesBaseline: 3, minRequests: 10 }, ...limits, forMs: 1000 }]
  })
  let delay = 2
  const port = await listen(t, http.createServer((req, res) => setTimeout(() => res.end('x'), req.url.startsWith('/mails') ? delay : 400)))
  const state = () => probe.stats().triggers[0]
  const work = async (until) => {
    while (!until()) await Promise.all(Array.from({ length: 12 }, (_, i) => request(port, i === 0 ? '/stable' : `/mails/${i}`)))
  }
  const deadline = Date.now() + 60_000
  await work(() => / ms against /.test(state().because) || Date.now() > deadline)
  assert.match(state().because, /^GET \/mails\/:id: [\d.]+ ms against [\d.]+ ms, 3 times its baseline$/)
  assert.equal(incidents(directory).length, 0)

  delay = 4 * probe.stats().routes.find(({ route }) => route === 'GET /mails/:id').durationMs.max
  await work(() => incidents(directory).length > 0 || Date.now() > deadline)

  const [{ trip }] = incidents(directory)
  assert.equal(trip.route, 'GET /mails/:id')
  assert.ok(trip.value >= delay * 0.9 && trip.threshold < delay, JSON.stringify(trip))
})

test('two conditions under all trip when both hold, and not before', async (t) => {
  const directory = makeDirectory(t)
  const when = { all: [{ type: 'latency', aboveMs: 20, minRequests: 5 }, { type: 'timers', above: 50 }] }
  const probe = startProbe(t, { directory, triggers: [{ name: 'both', when, ...limits }] })
  const port = await listen(t, http.createServer((req, res) => setTimeout(() => res.end('x'), 40)))
  const slow = () => Promise.all(Array.from({ length: 8 }, () => request(port, '/slow')))
  const state = () => probe.stats().triggers[0]
  await until(async () => {
    await slow()
    return /^GET \/slow: latency (?:[4-9]\d|\d{3})[\d.]* ms against 20 ms; timers \d+ timers against 50 timers$/.test(state().because)
  }, 'the latency is told')
  assert.deepEqual([state().state, incidents(directory).length], ['armed', 0])

  const mine = Array.from({ length: 60 }, () => setInterval(() => {}, 98_765))
  t.after(() => mine.forEach(clearInterval))
  await until(async () => {
    await slow()
    return incidents(directory).length > 0
  }, 'an incident is on disk')

  const [{ trip }] = incidents(directory)
  assert.deepEqual([trip.condition, trip.route, trip.actions], ['latency', 'GET /slow', ['record']])
  assert.match(trip.because, /; timers \d+ timers against 50 timers$/)
})

test('requests that never end count in the latency of their route, streams do not, and jobs do', { timeout: 60_000 }, async (t) => {
  const directory = makeDirectory(t)
  const probe = startProbe(t, {
    directory,
    triggers: [
      { name: 'latency', when: { type: 'latency', aboveMs: 400, minRequests: 5 }, ...limits },
      { name: 'hanging', when: { type: 'running', aboveMs: 400, count: 3 }, exceptRoutes: ['job:*'], ...limits },
      { name: 'jobs', when: { type: 'running', aboveMs: 400 }, routes: ['job:*'], ...limits },
      { name: 'streams', when: { type: 'running', aboveMs: 400 }, routes: ['* /stream*'], ...limits }
    ]
  })
  const port = await listen(t, http.createServer((req, res) => {
    if (req.url.startsWith('/stream')) res.write('begun')
  }))
  let endJob
  const job = probe.track('job:long', () => new Promise((resolve) => { endJob = resolve }))
  const asked = Array.from({ length: 6 }, (_, i) => [request(port, `/hang/${i}`), request(port, `/stream/${i}`)]).flat()
  for (const one of asked) one.catch(() => {})

  await until(() => incidents(directory).length === 3, 'three incidents are on disk', 30_000)

  const trips = Object.fromEntries(incidents(directory).map(({ trip }) => [trip.trigger, trip]))
  assert.equal(trips.latency.route, 'GET /hang/:id')
  assert.equal(trips.hanging.route, 'GET /hang/:id')
  assert.equal(trips.jobs.route, 'job:long')
  assert.ok(trips.latency.value > 400 && trips.latency.unit === 'ms', JSON.stringify(trips.latency))
  assert.equal(probe.stats().routes.length, 0, 'none has ended')
  assert.equal(probe.stats().triggers[3].state, 'armed')

  endJob()
  await job
})

test('failures trip by their share, and a leak that is reported by its route and kind', { timeout: 120_000 }, async (t) => {
  const directory = makeDirectory(t)
  startProbe(t, {
    directory,
    windowMs: 200,
    warmUpMs: 0,
    triggers: [
      { name: 'errors', when: { type: 'errors', aboveShare: 0.3, minRequests: 5 }, ...limits },
      { name: 'leak', when: { type: 'leak', kind: 'listener' }, ...limits },
      { name: 'other-leak', when: { type: 'leak', kind: 'timer' }, ...limits }
    ]
  })
  const shared = new EventEmitter().setMaxListeners(0)
  t.after(() => shared.removeAllListeners())
  const port = await listen(t, http.createServer((req, res) => {
    if (req.url === '/leaky') shared.on('mail', () => req)
    res.statusCode = req.url === '/failing' ? 500 : 200
    res.end()
  }))
  const deadline = Date.now() + 90_000
  for (let round = 0; incidents(directory).length < 2 && Date.now() < deadline; round++) {
    const urls = ['/failing', '/quick', '/quick', ...Array(1 + round % 4).fill('/leaky')]
    await Promise.all(urls.map((url) => request(port, url)))
  }

  const trips = Object.fromEntries(incidents(directory).map(({ trip }) => [trip.trigger, trip]))

  assert.deepEqual(Object.keys(trips).sort(), ['errors', 'leak'])
  assert.deepEqual([trips.errors.route, trips.errors.value, trips.errors.because], ['GET /failing', 1, 'GET /failing: 100 % against 30 %'])
  assert.equal(trips.leak.route, 'GET /leaky')
  assert.match(trips.leak.because, /^GET \/leaky: a leak is reported with confidence 0\.\d+, against 0/)
})

test('a restart is advised with its reason, and without record nothing is on disk', async (t) => {
  const directory = makeDirectory(t)
  const probe = startProbe(t, {
    directory,
    triggers: [
      { name: 'advised', when: { type: 'timers', above: 50 }, ...limits, actions: ['advise-restart'] },
      { name: 'counted', when: { type: 'timers', above: 50 }, ...limits, actions: [] },
      { name: 'no-limit', when: { any: [{ type: 'timers', above: 1e6 }, { type: 'rss', aboveBytes: 1 }] }, ...limits, actions: ['record', 'advise-restart'] }
    ]
  })
  const told = []
  probe.on('restart-advised', (advice) => told.push(advice))
  const mine = Array.from({ length: 60 }, () => setInterval(() => {}, 98_765))
  t.after(() => mine.forEach(clearInterval))

  await until(() => told.length === 2 && probe.stats().triggers.every(({ state }) => state === 'tripped'))

  const advised = told.find(({ trigger }) => trigger === 'advised')
  assert.deepEqual([advised.incident, advised.route], [null, null])
  assert.match(advised.because, /^\d+ timers against 50 timers$/)
  const { id, trip } = await tripped(directory)
  assert.equal(told.find(({ trigger }) => trigger === 'no-limit').incident, id)
  assert.equal(trip.condition, 'rss')
  assert.equal(incidents(directory).length, 1)
})

test('a trip for which the budget of freezes is used up says so, and its incident is written without', async (t) => {
  const directory = makeDirectory(t)
  const probe = startProbe(t, {
    directory,
    maxFreezesPerHour: 0,
    triggers: [{ name: 'floor', when: { type: 'timers', above: 50 }, ...limits, actions: ['shadow-collection'] }]
  })
  const mine = Array.from({ length: 60 }, () => setInterval(() => {}, 98_765))
  t.after(() => mine.forEach(clearInterval))

  const { shadow } = await tripped(directory)

  assert.equal(shadow.state, 'refused')
  if (probe.report().process.capabilities.freeze.state !== 'native') return
  const { state, because } = probe.stats().triggers[0]
  assert.equal(state, 'out of budget')
  assert.match(because, /^\d+ timers against 50 timers; the budget of 0 freezes per hour is used up$/)
})

test('a condition whose readings are switched off says so', async (t) => {
  const probe = startProbe(t, { directory: false, without: ['listener-hooks'], triggers: [{ name: 'none', when: { type: 'listeners', above: 1 }, ...limits }] })

  await until(() => probe.stats().triggers[0].state === 'unavailable')

  assert.equal(probe.stats().triggers[0].because, 'no readings: listeners are not counted in this process')
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
