'use strict'

// The soak in short: the probe's own descriptors, threads, children and counters; and what judges the long one.

const assert = require('node:assert/strict')
const { test } = require('node:test')
const { soak } = require('../benchmark/soak.js')
const { growthOf, judge, judgeLevels } = require('../benchmark/soak/judge.js')

const skip = process.platform !== 'linux' || process.report.getReport().header.glibcVersionRuntime === undefined
const SECONDS = 15

const series = (value) => Array.from({ length: 60 }, (_, second) => ({ atMs: second * 1000, ownBytes: 5e6, descriptors: 20, threads: 12, children: 0, diskBytes: 1e6, ...value(second) }))
const quiet = { seen: { errors: [], captures: 2, failedCaptures: 0, answeredShadows: 2, reads: 1, workers: 1 }, cost: { dropped: {}, freezes: 9 }, leaks: [], hypotheses: [], threadsLeft: [] }
const served = { answered: 10, failed: 0, errors: [] }
const verdict = (readings, ended = quiet, clients = served) => judge({ levels: judgeLevels(readings), ended, clients })

test('growth is told with an interval: noise has zero in it, a slope below noise has not', () => {
  const noise = (i) => ((i * 7919) % 101) - 50
  const flat = growthOf(Array.from({ length: 100 }, (_, i) => [i, 1000 + noise(i)]))
  const rising = growthOf(Array.from({ length: 100 }, (_, i) => [i, 1000 + noise(i) + i]))

  assert.ok(flat.low <= 0 && flat.high >= 0, JSON.stringify(flat))
  assert.ok(rising.low > 0 && rising.low < 99 && rising.high > 99, JSON.stringify(rising))
  assert.equal(growthOf([[0, 1], [1, 2]]), undefined)
})

test('a probe that grows, drops, fails or stays is told', () => {
  assert.deepEqual(verdict(series(() => ({}))), [])
  assert.match(verdict(series((second) => ({ ownBytes: 5e6 + second * 5e4 }))).join(), /^ownBytes grew by 2950000/)
  assert.match(verdict(series((second) => ({ descriptors: 20 + Math.floor(second / 5) }))).join(), /^descriptors grew/)
  assert.match(verdict(series(() => ({})), { ...quiet, cost: { dropped: { events: 3 }, freezes: 9 } }).join(), /dropped: 3 events/)
  assert.deepEqual(verdict(series(() => ({})), { ...quiet, cost: { dropped: { 'error: a freeze was refused': 3 }, freezes: 9 } }), [])
  assert.match(verdict(series(() => ({})), { ...quiet, cost: { dropped: { 'error: a freeze was refused': 30 }, freezes: 9 } }).join(), /30 floors were refused/)
  assert.match(verdict(series(() => ({})), { ...quiet, threadsLeft: ['leakprobe'] }).join(), /threads after stop/)
  assert.match(verdict(series(() => ({})), { ...quiet, leaks: [{ route: 'GET /x', resource: 'heap', perRequest: { value: 9 } }] }).join(), /a leak was reported/)
  assert.match(verdict(series(() => ({})), quiet, { ...served, answered: 0 }).join(), /nothing was shown/)
})

test('under mixed load, captures and churn of workers the probe is flat', { skip, timeout: 240_000 }, async () => {
  const { wrong, levels, ended } = await soak(process.execPath, SECONDS * 1000, 3000)

  assert.deepEqual(wrong, [], JSON.stringify(levels))
  assert.ok(ended.seen.captures > 0 && ended.cost.freezes > 0)
})
