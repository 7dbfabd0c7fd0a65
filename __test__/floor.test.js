'use strict'

const assert = require('node:assert/strict')
const { fork } = require('node:child_process')
const { once } = require('node:events')
const path = require('node:path')
const v8 = require('node:v8')
const { test } = require('node:test')
const { endAfter, makeDirectory, startProbe } = require('./helper.js')

const skip = process.platform !== 'linux' || process.report.getReport().header.glibcVersionRuntime === undefined
const FLOOR = path.join(__dirname, 'fixtures', 'floor.js')

test('the floor of a shadow is the floor of the process, within one per cent', { skip, timeout: 60_000 }, async (t) => {
  const child = fork(FLOOR, [makeDirectory(t)], { execArgv: ['--expose-gc'] })
  endAfter(t, child)

  const [{ shadow, floor, here }] = await once(child, 'message')

  assert.equal(shadow.state, 'answered', JSON.stringify(shadow))
  const apart = Math.abs(floor.heapUsed / here.heapUsed - 1)
  assert.ok(apart < 0.01, `${floor.heapUsed} in the shadow, ${here.heapUsed} here: ${(apart * 100).toFixed(2)} % apart`)
  assert.ok(here.heapUsed > 10e6 && here.arrayBuffers >= 20 << 20, JSON.stringify(here))
  assert.equal(floor.arrayBuffers, here.arrayBuffers)
  assert.equal(floor.contexts, here.contexts)
})

test('a capture for the floor alone writes no heap snapshot', { skip, timeout: 60_000 }, async (t) => {
  const probe = startProbe(t, { directory: makeDirectory(t) })

  const incident = await probe.capture({ floor: true })

  assert.equal(incident.heapSnapshot.state, 'not-asked')
  assert.equal(incident.shadow.state, 'answered', JSON.stringify(incident.shadow))
  assert.ok(incident.shadow.pauseMs > 0 && incident.floor.heapUsed > 1e6)
  assert.equal(incident.floor.contexts, v8.getHeapStatistics().number_of_native_contexts)
  const { freezeMs, freezes } = probe.stats().cost
  assert.equal(freezes, 1)
  assert.ok(Math.abs(freezeMs.idle + freezeMs.areas + freezeMs.fork + freezeMs.restore - incident.shadow.pauseMs) < 0.1, JSON.stringify(freezeMs))
})

test('without freezing a capture says why there is no floor', { timeout: 60_000 }, async (t) => {
  const probe = startProbe(t, { directory: makeDirectory(t), without: ['freeze'] })

  const incident = await probe.capture({ floor: true })

  assert.equal(incident.shadow.state, 'refused')
  assert.match(incident.shadow.because, /cannot be frozen/)
  assert.equal(incident.floor, undefined)
})

test('floor is checked', async (t) => {
  const probe = startProbe(t, { directory: makeDirectory(t) })

  await assert.rejects(probe.capture({ floor: 'yes' }), { code: 'LEAKPROBE_ERR_ARGUMENT' })
})
