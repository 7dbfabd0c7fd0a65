'use strict'

const assert = require('node:assert/strict')
const net = require('node:net')
const { test } = require('node:test')
const clock = require('../lib/clock')
const { Growth } = require('../lib/growth')
const { Readings } = require('../lib/readings')
const { listen, startProbe, until } = require('./helper')

test('array buffers, handles by type and keys of globalThis are read', async (t) => {
  const probe = startProbe(t)
  const heap = () => probe.stats().heap
  await until(() => heap()?.arrayBuffers >= 0 && heap().handles >= 0 && heap().globalKeys > 50, 'all of it is read', 60_000)
  const before = heap()
  const kept = Buffer.alloc(30 << 20)
  globalThis.leakprobeTest = 1
  t.after(() => { delete globalThis.leakprobeTest })
  const port = await listen(t, net.createServer())
  const sockets = Array.from({ length: 10 }, () => net.connect(port, '127.0.0.1'))

  try {
    await until(() => heap().arrayBuffers >= kept.length && heap().globalKeys > before.globalKeys && probe.stats().handles.TCPSocketWrap >= 10, 'what came is read', 60_000)
    await until(() => heap().handles >= 11)
    assert.equal(Object.values(probe.stats().handles).reduce((sum, count) => sum + count, 0), heap().handles)
  } finally {
    for (const socket of sockets) socket.destroy()
  }
  // What malloc holds is asked for ten thousand times as rarely as the answer takes.
  await until(() => probe.stats().process?.privateNative >= 0 && probe.stats().process.descriptors > 10, 'native memory is told', 60_000)
})

test('what is dear is read more rarely, and what is old is not told', (t) => {
  const { now } = clock
  let at = 0
  clock.now = () => at
  t.after(() => { clock.now = now })
  const { ownKeys } = Reflect
  const readings = new Readings()
  const many = Array.from({ length: 20 }, (_, i) => `leakprobeTest${i}`)
  t.after(() => { for (const key of many) delete globalThis[key] })

  const first = readings.globalKeys()
  for (const key of many) globalThis[key] = 1
  assert.equal(readings.globalKeys(), first)
  at = 999
  assert.equal(readings.globalKeys(), first)
  at = 1001
  assert.equal(readings.globalKeys(), first + 20)
  assert.equal(ownKeys(globalThis).length, first + 20)

  // From now on the clock runs 10 ms ahead at each look: a reading takes 10 ms, a thousandth of 10 s.
  clock.now = () => (at += 10)
  at = 5000
  readings.globalKeys()
  at = 7000
  assert.equal(readings.globalKeys(), -1)
  at = 15_100
  assert.equal(readings.globalKeys(), first + 20)
})

test('a count that rises again and again is suspect, a burst, a level and a sawtooth are not', () => {
  const suspect = (counts) => {
    const growth = new Growth()
    return counts.map((count) => growth.look(count)).at(-1)
  }
  const series = (length, count) => Array.from({ length }, (_, i) => count(i))

  assert.equal(suspect(series(40, (i) => 100 + i)), true)
  assert.equal(suspect(series(400, (i) => 100 + Math.trunc(i / 40) * 4)), true, 'slowly')
  assert.equal(suspect(series(400, () => 100)), false)
  assert.equal(suspect(series(400, (i) => i % 7 === 0 ? 5000 : 100)), false, 'bursts')
  assert.equal(suspect(series(400, (i) => i < 200 ? 100 : 500)), false, 'one step')
  assert.equal(suspect(series(400, (i) => 100 + i % 4 * 10)), false, 'a sawtooth within a span')
  assert.equal(suspect(series(12, (i) => i)), false, 'too few')
  assert.equal(suspect([...series(40, (i) => 100 + i), ...series(4, () => 10)]), false, 'gone')
  assert.equal(suspect([...series(40, (i) => 100 + i), ...series(1300, () => 140)]), false, 'quiet')
})
