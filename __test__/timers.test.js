'use strict'

const assert = require('node:assert/strict')
const timers = require('node:timers')
const { promisify } = require('node:util')
const { test } = require('node:test')
const { startProbe, until } = require('./helper')

// Odd durations, so that nothing else in the process shares their lists.
const LONG_MS = 1_234_567

const counted = (probe) => probe.stats().heap?.timers

async function startCounting (t, options) {
  const probe = startProbe(t, options)
  await until(() => counted(probe) !== undefined)
  return { probe, before: counted(probe) }
}

const growsBy = (probe, before, count) =>
  until(() => counted(probe) === before + count, `${before + count} timers are counted, now ${counted(probe)}`)

test('timeouts and intervals are counted while they live, unref\'d ones too', async (t) => {
  const { probe, before } = await startCounting(t)

  const made = []
  for (let i = 0; i < 10; i++) {
    made.push(setTimeout(() => {}, LONG_MS), setInterval(() => {}, LONG_MS + 1))
    made.push(setTimeout(() => {}, LONG_MS + 2 + i).unref(), timers.setTimeout(() => {}, LONG_MS), timers.setInterval(() => {}, LONG_MS + 3))
  }
  t.after(() => made.forEach(clearTimeout))
  await growsBy(probe, before, 50)

  for (const timer of made.splice(0, 25)) clearTimeout(timer)
  await growsBy(probe, before, 25)
  for (const timer of made.splice(0)) clearInterval(timer)
  await growsBy(probe, before, 0)
})

test('an interval that fires goes on being counted, a timeout that fired is not', async (t) => {
  const { probe, before } = await startCounting(t)
  let fired = 0
  const intervals = Array.from({ length: 20 }, () => setInterval(() => { fired++ }, 7))
  t.after(() => intervals.forEach(clearInterval))

  for (let i = 0; i < 20; i++) setTimeout(() => { fired++ }, 3)
  await until(() => fired > 200)

  await growsBy(probe, before, 20)
})

test('a list that died and was made anew is found again', async (t) => {
  const { probe, before } = await startCounting(t)
  clearTimeout(setTimeout(() => {}, LONG_MS + 50))

  const timer = setInterval(() => {}, LONG_MS + 50)
  t.after(() => clearInterval(timer))

  await growsBy(probe, before, 1)
})

test('timers of usual durations that were made before the probe are counted', async (t) => {
  const early = Array.from({ length: 5 }, () => setInterval(() => {}, 43_200_000))
  t.after(() => early.forEach(clearInterval))
  const { probe, before } = await startCounting(t)

  assert.ok(before >= 5)
  for (const timer of early) clearInterval(timer)
  await growsBy(probe, before, -5)
})

test('more durations than are known make the count a lower bound, which is told', async (t) => {
  const { probe } = await startCounting(t)
  const made = Array.from({ length: 400 }, (_, i) => setTimeout(() => {}, LONG_MS + 1000 + i))
  t.after(() => made.forEach(clearTimeout))

  await until(() => counted(probe) >= 200)
  assert.match(probe.report().process.capabilities.timers.because, /lower bound/)
})

test('more timers than are walked make the count a lower bound, and many cost no more', async (t) => {
  const { probe } = await startCounting(t)
  const made = Array.from({ length: 30_000 }, () => setTimeout(() => {}, LONG_MS))
  t.after(() => made.forEach(clearTimeout))

  await until(() => counted(probe) >= 20_000)
  assert.ok(counted(probe) <= 20_000)
  assert.match(probe.report().process.capabilities.timers.because, /lower bound/)
})

test('the functions keep identity across modules, name, length and promisify, and stop() puts the originals back', async (t) => {
  const originals = { setTimeout, setInterval }
  const esmBefore = await import('node:timers')
  const probe = startProbe(t)

  for (const name of ['setTimeout', 'setInterval']) {
    assert.notEqual(globalThis[name], originals[name])
    assert.equal(globalThis[name], timers[name])
    assert.equal(esmBefore[name], globalThis[name])
    assert.equal(globalThis[name].name, originals[name].name)
    assert.equal(globalThis[name].length, originals[name].length)
  }
  assert.equal(promisify(setTimeout), require('node:timers/promises').setTimeout)
  assert.equal(await new Promise((resolve) => setTimeout((a, b, c, d) => resolve([a, b, c, d].join()), 1, 1, 2, 3, 4)), '1,2,3,4')
  assert.throws(() => setTimeout('no function', 1), { code: 'ERR_INVALID_ARG_TYPE' })

  await probe.stop()
  assert.equal(setTimeout, originals.setTimeout)
  assert.equal(timers.setInterval, originals.setInterval)
  assert.equal(esmBefore.setTimeout, originals.setTimeout)
})

test('without timer hooks the process\'s active resources are counted', async (t) => {
  const original = setTimeout
  const { probe, before } = await startCounting(t, { without: ['timer-hooks'] })

  assert.equal(setTimeout, original)
  assert.equal(probe.report().process.capabilities.timers.state, 'fallback')
  const made = Array.from({ length: 40 }, () => setTimeout(() => {}, LONG_MS))
  t.after(() => made.forEach(clearTimeout))
  // This wait has a timer of its own now and then.
  await until(() => Math.abs(counted(probe) - before - 40) <= 1)
})
