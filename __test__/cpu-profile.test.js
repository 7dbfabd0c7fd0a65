'use strict'

const assert = require('node:assert/strict')
const fs = require('node:fs')
const { Session } = require('node:inspector')
const path = require('node:path')
const { test } = require('node:test')
const { cleanup, startProbe, until } = require('./helper')

const trips = (more) => ({ name: 'ever', when: { type: 'timers', above: 0 }, forMs: 0, warmUpMs: 0, actions: ['cpu-profile'], ...more })

/** Resolves with the first incident whose CPU profile is in one of these states. */
function profiled (probe, states = ['written', 'failed', 'refused']) {
  let found
  probe.on('incident', (incident) => {
    if (states.includes(incident.cpuProfile?.state)) found ??= incident
  })
  return until(() => found, `a profile is ${states.join(' or ')}`, 60_000)
}

function burnLeakprobeTest (ms) {
  const end = performance.now() + ms
  let sum = 0
  while (performance.now() < end) sum += Math.sqrt(sum + 1)
  return sum
}

/** Keeps the loop busy, in turns, until the test ends. */
function busy (t) {
  const timer = setInterval(function burnLeakprobeTurn () { burnLeakprobeTest(15) }, 20)
  cleanup(t, () => clearInterval(timer))
}

// Optimized code may have one of the two inside the other.
const burns = (profile) => profile.nodes.some(({ callFrame }) => callFrame.functionName.startsWith('burnLeakprobe'))

const post = (session, method) => new Promise((resolve, reject) => session.post(method, (error, result) => error ? reject(error) : resolve(result)))

test('a trip takes a profile that names what computes', async (t) => {
  busy(t)
  const probe = startProbe(t, { triggers: [trips()] })
  const { cpuProfile, directory } = await profiled(probe)
  assert.equal(cpuProfile.state, 'written', JSON.stringify(cpuProfile))
  const profile = JSON.parse(fs.readFileSync(path.join(directory, cpuProfile.file), 'utf8'))
  assert.ok(burns(profile))
  assert.ok(profile.samples.length > 20 && profile.endTime > profile.startTime)
  assert.ok(cpuProfile.pauseMs > 0 && probe.stats().cost.pauseMs.total >= cpuProfile.pauseMs)
  assert.equal(fs.statSync(path.join(directory, cpuProfile.file)).mode & 0o777, 0o600)
  assert.deepEqual(JSON.parse(fs.readFileSync(path.join(directory, 'incident.json'), 'utf8')).cpuProfile, cpuProfile)
})

test('another owner of the profiler keeps its own', async (t) => {
  busy(t)
  const session = new Session()
  session.connect()
  cleanup(t, () => session.disconnect())
  await post(session, 'Profiler.enable')
  await post(session, 'Profiler.start')

  const probe = startProbe(t, { triggers: [trips()] })
  assert.equal((await profiled(probe)).cpuProfile.state, 'written')
  await probe.stop()

  const { profile } = await post(session, 'Profiler.stop')
  assert.ok(burns(profile))
  assert.ok(profile.endTime - profile.startTime > 900_000, 'it went on during ours')
})

test('with a heap snapshot beside it both are in the incident', async (t) => {
  busy(t)
  const probe = startProbe(t, { triggers: [trips({ heapSnapshot: true })], analyzeHeapSnapshots: false })
  const seen = []
  probe.on('incident', (incident) => seen.push(incident))
  const last = await until(() => {
    const one = seen.at(-1)
    return !['pending', undefined].includes(one?.heapSnapshot.state) && one.cpuProfile.state !== 'pending' && one
  }, 'both are there', 120_000)
  assert.deepEqual([last.heapSnapshot.state, last.cpuProfile.state], ['written', 'written'], JSON.stringify([last.heapSnapshot, last.cpuProfile]))
  const names = fs.readdirSync(last.directory)
  assert.ok(names.includes('cpu.cpuprofile') && names.includes('heap.heapsnapshot.gz'))
})

test('a loop that is stuck is not profiled, and its incident says so', async (t) => {
  const stall = { name: 'stalled', when: { type: 'stall', aboveMs: 1200 }, warmUpMs: 0, actions: ['cpu-profile'] }
  const probe = startProbe(t, { triggers: [stall], without: ['freeze'] })
  await until(() => probe.stats().heap !== undefined)
  const incident = profiled(probe)
  burnLeakprobeTest(2500)
  const { cpuProfile } = await incident
  assert.deepEqual(cpuProfile, { state: 'refused', because: 'the event loop does not turn: see the stack' })
})

test('a probe that is stopped meanwhile has what was profiled so far', async (t) => {
  busy(t)
  const probe = startProbe(t, { triggers: [trips()] })
  const pending = await profiled(probe, ['pending'])
  await new Promise((resolve) => setTimeout(resolve, 200))
  await probe.stop()
  const { cpuProfile } = JSON.parse(fs.readFileSync(path.join(pending.directory, 'incident.json'), 'utf8'))
  assert.ok(['written', 'failed'].includes(cpuProfile.state), JSON.stringify(cpuProfile))
})
