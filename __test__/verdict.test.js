'use strict'

// Whole verdicts: real servers, real load, the report on disk.

const assert = require('node:assert/strict')
const { test } = require('node:test')
const { verdict } = require('./verdict-app.js')

const timeout = 150_000
const HEALTHY = { '/garbage': 2, '/ring': 2, '/listens': 1, '/health': 2 }

test('a healthy server with a cache that fills and a ring buffer reports nothing', { timeout }, async (t) => {
  const report = await verdict(t, 'healthy', { ...HEALTHY, '/cache': 2 }, () => false, { atMostMs: 25_000 })

  assert.deepEqual(report.leaks, [])
  assert.deepEqual(report.slowdowns, [])
  assert.notEqual(report.verdict, 'learning')
})

test('of two routes that always come together the one that leaks is reported, alone or with the other, never the other alone', { timeout }, async (t) => {
  const report = await verdict(t, 'together', { ...HEALTHY, '/page+/data': 2 }, ({ leaks }) => leaks.length > 0)

  // Floors cannot tell them apart; the objects that a walk counts sometimes can, by the requests between the two at a freeze.
  const [{ routes }] = report.leaks
  assert.equal(report.leaks.length, 1, JSON.stringify(report.leaks))
  assert.ok(routes.includes('GET /data') && routes.every((route) => ['GET /data', 'GET /page'].includes(route)), `${routes}`)
})

test('a small leak of listeners is found beside a large one of another kind', { timeout }, async (t) => {
  const report = await verdict(t, 'two', { ...HEALTHY, '/large': 1, '/subscribes': 1 }, ({ leaks }) => leaks.length > 1)

  const found = Object.fromEntries(report.leaks.map(({ route, kind }) => [route, kind]))
  assert.deepEqual(Object.keys(found).sort(), ['GET /large', 'GET /subscribes'], JSON.stringify(report.leaks))
  assert.equal(found['GET /subscribes'], 'listener')
  const large = report.leaks.find(({ route }) => route === 'GET /large')
  assert.ok(large.perRequest.value > 4000 && large.perRequest.value < 16_000, JSON.stringify(large.perRequest))
})

for (const [scenario, route, size] of [['buffers', 'GET /upload', 20_000], ['wasm', 'GET /compute', 65_536]]) {
  test(`memory outside the heap is attributed to its route: ${scenario}`, { timeout }, async (t) => {
    const report = await verdict(t, scenario, { ...HEALTHY, [route.slice(4)]: 1 }, ({ leaks }) => leaks.length > 0)

    assert.deepEqual(report.leaks.map(({ routes, kind }) => [routes, kind]), [[[route], 'native']], JSON.stringify(report.leaks))
    const { value, unit } = report.leaks[0].perRequest
    assert.equal(unit, 'bytes')
    assert.ok(value > size / 2 && value < size * 2, JSON.stringify(report.leaks[0].perRequest))
  })
}
