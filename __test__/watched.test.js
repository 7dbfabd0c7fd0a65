'use strict'

const assert = require('node:assert/strict')
const http = require('node:http')
const { test } = require('node:test')
const { setTimeout: wait } = require('node:timers/promises')
const { listen, makeDirectory, request, startProbe } = require('./helper.js')
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
  const watched = new WatchedRequests(2, 10)

  for (let i = 0; i < 1_000_000; i++) watched.ended({ i }, 7)

  assert.ok(made >= 5 && made < 60, `${made} of a million`)
})

test('watched requests are bounded in all', async () => {
  const watched = new WatchedRequests(10, 5000)
  const now = performance.now()
  for (let route = 0; route <= 5000; route++) for (let i = 0; i < 40; i++) watched.ended({}, route)
  while (performance.now() - now < SETTLED_MS + 50) await wait(50)

  const counts = watched.count()

  assert.equal(counts.length, 256)
  assert.ok(counts.every(([, settled]) => settled >= 1 && settled <= 16))
  watched.stop()
  assert.deepEqual(watched.count(), [])
})
