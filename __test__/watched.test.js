'use strict'

const assert = require('node:assert/strict')
const http = require('node:http')
const { test } = require('node:test')
const { setTimeout: wait } = require('node:timers/promises')
const { listen, makeDirectory, request, startProbe, until } = require('./helper.js')
const { WatchedRequests } = require('../lib/watched.js')

const skip = process.platform !== 'linux' || process.report.getReport().header.glibcVersionRuntime === undefined
/** Requests that ended more recently are not judged, ms. */
const SETTLED_MS = 1000

test('of watched requests exactly the leaked ones are alive, on kept-alive and fresh connections', { skip, timeout: 60_000 }, async (t) => {
  const probe = startProbe(t, { directory: makeDirectory(t), watchOneIn: 1, routes: ['GET /leak/:id', 'GET /closure/:id', 'GET /fine/:id'] })
  const kept = []
  const port = await listen(t, http.createServer((req, res) => {
    if (req.url.startsWith('/leak/')) kept.push(req)
    if (req.url.startsWith('/closure/') && req.url.endsWith('0')) kept.push(() => res.end())
    res.end('ok')
  }))
  const agents = [new http.Agent({ keepAlive: true, maxSockets: 2 }), new http.Agent()]
  t.after(() => agents.forEach((agent) => agent.destroy()))
  for (let i = 0; i < 40; i++) {
    await Promise.all(['leak', 'closure', 'fine'].map((route) => request(port, `/${route}/${i}`, { agent: agents[i % 2] })))
  }
  await wait(SETTLED_MS + 100)

  const { floor, shadow } = await probe.capture({ floor: true })

  assert.equal(shadow.state, 'answered', JSON.stringify(shadow))
  const byRoute = floor.watched.sort((one, other) => one.route < other.route ? -1 : 1)
  // The last 16 of 40 are looked at: number 30 is among them, and 24 to 39 all are of the route that keeps everything.
  assert.deepEqual(byRoute, [
    { route: 'GET /closure/:id', watched: 16, alive: 1 },
    { route: 'GET /fine/:id', watched: 16, alive: 0 },
    { route: 'GET /leak/:id', watched: 16, alive: 16 }
  ])
  assert.equal(kept.length, 44)
})

test('jobs are watched by the promise that track() returns', { skip, timeout: 60_000 }, async (t) => {
  const probe = startProbe(t, { directory: makeDirectory(t), watchOneIn: 1 })
  const kept = []
  for (let i = 0; i < 40; i++) {
    kept.push(probe.track('job:kept', async () => i))
    await probe.track('job:fine', async () => i)
    assert.equal(probe.track('job:sync', () => i), i)
  }
  await Promise.all(kept)
  await wait(SETTLED_MS + 100)

  const { floor, shadow } = await probe.capture({ floor: true })

  assert.equal(shadow.state, 'answered', JSON.stringify(shadow))
  const byRoute = floor.watched.sort((one, other) => one.route < other.route ? -1 : 1)
  assert.deepEqual(byRoute, [{ route: 'job:fine', watched: 16, alive: 0 }, { route: 'job:kept', watched: 16, alive: 16 }])
})

test('what is not a promise is a job too', async (t) => {
  const probe = startProbe(t, { watchOneIn: 1 })
  const thenable = { then: (done) => { done(7); return 'returned' } }

  assert.equal(probe.track('job:odd', () => thenable), 'returned')
  await assert.rejects(probe.track('job:fails', async () => { throw new Error('no') }), /no/)

  await until(() => probe.stats().routes.length === 2)
  assert.deepEqual(probe.stats().routes.map(({ route, failed }) => [route, failed]).sort(), [['job:fails', 1], ['job:odd', 0]])
})

test('a watched request carries a tag with its route', async () => {
  const watched = new WatchedRequests(1, 10, (route) => `GET /${route}`)
  const [request, frozen] = [{}, Object.freeze({})]

  watched.ended(request, 3)
  watched.ended(frozen, 3)

  const [tag] = Object.getOwnPropertySymbols(request).map((symbol) => request[symbol])
  assert.deepEqual([tag.constructor.name, tag.route, tag.id], ['LeakprobeWatched', 'GET /3', '3'])
})

test('with forced floors the watched requests that somebody keeps are evidence in the report', { timeout: 60_000 }, async (t) => {
  const probe = startProbe(t, { directory: false, floors: 'forced', floorIntervalMs: 200, floorPauseShare: 0.5, warmUpMs: 0, watchOneIn: 4, routes: ['GET /leak/:id', 'GET /fine/:id'] })
  const kept = []
  const port = await listen(t, http.createServer((req, res) => {
    if (req.url.startsWith('/leak/')) kept.push([req, Array.from({ length: 20 }, (_, i) => ({ i }))])
    res.end('ok')
  }))
  let i = 0

  const evidence = await until(async () => {
    // The mix has to change for the routes to be told apart, and more slowly than floors are read.
    const routes = Math.trunc(i++ / 150) % 2 === 0 ? ['leak', 'leak', 'leak', 'fine'] : ['leak', 'fine', 'fine', 'fine']
    for (const route of routes) await request(port, `/${route}/${i}`)
    const leak = probe.report().leaks.find(({ route }) => route === 'GET /leak/:id')
    return leak?.evidence.find(({ by }) => by === 'watched-requests')
  }, 'the watched requests are evidence', 50_000)

  assert.ok(evidence.perRequest.value > 0.9, JSON.stringify(evidence))
  assert.deepEqual(probe.report().leaks.filter(({ route }) => route !== 'GET /leak/:id'), [])
})

test('with watchOneIn 0 no request is watched', { skip, timeout: 60_000 }, async (t) => {
  const probe = startProbe(t, { directory: makeDirectory(t), watchOneIn: 0 })
  const port = await listen(t, http.createServer((req, res) => res.end('ok')))
  for (let i = 0; i < 5; i++) await request(port, '/')

  const { floor } = await probe.capture({ floor: true })

  assert.deepEqual(floor.watched, [])
})

test('a busy route is watched more rarely than one in so many', (t) => {
  const original = globalThis.WeakRef
  let made = 0
  globalThis.WeakRef = class extends original {
    constructor (target) {
      super(target)
      made++
    }
  }
  t.after(() => { globalThis.WeakRef = original })
  const watched = new WatchedRequests(2, 10, () => 'GET /')

  for (let i = 0; i < 1_000_000; i++) watched.ended({ i }, 7)

  assert.ok(made >= 5 && made < 60, `${made} of a million`)
})

test('watched requests are bounded in all', async () => {
  const watched = new WatchedRequests(10, 5000, () => 'GET /')
  const now = performance.now()
  for (let route = 0; route <= 5000; route++) for (let i = 0; i < 40; i++) watched.ended({}, route)
  while (performance.now() - now < SETTLED_MS + 50) await wait(50)

  const counts = watched.count()

  assert.equal(counts.length, 256)
  assert.ok(counts.every(([, settled]) => settled >= 1 && settled <= 16))
  watched.stop()
  assert.deepEqual(watched.count(), [])
})
