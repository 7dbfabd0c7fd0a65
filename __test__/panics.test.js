'use strict'

// Panics and refused threads at every call from JavaScript and on every thread, in a build with the feature `faults`
// (`npm run test:faults` makes it). The host goes on, nothing is printed, and the place is told.

const assert = require('node:assert/strict')
const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { test } = require('node:test')
const { makeDirectory } = require('./helper.js')

const ROOT = path.join(__dirname, '..')
const FAULTY = path.join(ROOT, 'target', 'faults', 'leakprobe.node')
const skip = !fs.existsSync(FAULTY) && 'no build with faults: npm run test:faults'

/** Runs `body` in a process with the faulty addon; it gets `arm`, `start`, `addon` and `directory`, and returns what is told. */
function run (t, body) {
  const directory = makeDirectory(t)
  const script = `
    const addon = require(${JSON.stringify(FAULTY)})
    const { start } = require(${JSON.stringify(path.join(ROOT, 'index.js'))})
    const arm = (place, times = 1) => addon.armFault(place, times)
    const outcome = (call) => { try { return [typeof call()] } catch (error) { return [error.code, error.message] } }
    const until = async (holds) => { for (const end = Date.now() + 20000; Date.now() < end;) { const found = await holds(); if (found) return found; await new Promise((resolve) => setTimeout(resolve, 10)) } throw new Error('waited in vain: ' + holds) }
    const directory = ${JSON.stringify(directory)}
    ;(${body})({ addon, arm, start, outcome, until, directory }).then((told) => console.log(JSON.stringify(told)), (error) => { console.error(error); process.exitCode = 1 })
  `
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', '-e', script], { encoding: 'utf8', timeout: 120_000, env: { ...process.env, NAPI_RS_NATIVE_LIBRARY_PATH: FAULTY } })
  assert.deepEqual([status, signal], [0, null], stderr)
  assert.equal(stderr, '')
  return JSON.parse(stdout)
}

test('a panic in any method of the probe is a coded error with its place, and the next call works', { skip, timeout: 180_000 }, (t) => {
  const told = run(t, async ({ addon, arm, outcome }) => {
    const { NativeProbe } = addon
    const options = { directory: null, reportFile: null, node: process.version, service: 'x', preset: 'test', analyzer: [], floors: 'natural', maxFreezesPerHour: 10, maxFreezePauseMsPerHour: 100, maxIncidents: 5, maxIncidentBytes: 1e7, queueCapacity: 1000, maxSnapshotPauseMs: 100, floorIntervalMs: 1000, floorPauseShare: 0.1, reportIntervalMs: 1000, redactHeapSnapshots: false, heapSnapshotBy: 'auto', without: [], core: { maxRoutes: 10, windowMs: 1000, warmUpMs: 0, triggers: [], tickMs: 100, forcedFloors: false } }
    const make = () => new NativeProbe(JSON.stringify(options), new Float64Array(8), () => {})
    arm('call')
    const constructed = outcome(make)
    const native = make()
    native.setShadowMain(() => {})
    const ARGUMENTS = {
      route: ['GET /x'], setCapability: ['a', 'native', 'b'], addCost: [1, 1], addPause: [1], capture: ['x', false, false], beginHeapSnapshot: ['x'], setShadowMain: [() => {}], freeze: ['x'],
      walkInShadow: ['{}', {}], writeHeapSnapshotInShadow: [{}, false], endHeapSnapshot: ['x', 1, undefined], olderRequests: [1], stillRunning: [new Int32Array(2)], site: [1, 'timer', undefined, []],
      sites: [new Float64Array(2)], forcedFloor: [0, new Uint32Array(3)], startHeapSamples: [1024, 8], stopHeapSamples: [false], heapSpaces: [new Float64Array(16)], beginCpuProfile: ['x'], endCpuProfile: ['x', undefined, 1, undefined], beginCpuProfile: ['x'], endCpuProfile: ['x', null, 1, 'none']
    }
    const methods = Object.entries(Object.getOwnPropertyDescriptors(NativeProbe.prototype)).filter(([name, { value }]) => typeof value === 'function' && !['constructor', 'stop'].includes(name)).map(([name]) => name)
    const panicked = {}
    for (const name of methods) {
      arm('call')
      panicked[name] = outcome(() => native[name](...(ARGUMENTS[name] ?? []))).join()
      arm('call', 0)
    }
    const triggers = (arm('call'), outcome(() => addon.completeTriggers('[]', true)))
    const cli = (arm('call'), outcome(() => addon.runCli(['--help'], 80, false, false)))
    const getter = (arm('call'), outcome(() => native.forcesFloors))
    const works = outcome(() => JSON.parse(native.stats()))
    arm('call')
    const stopped = outcome(() => native.stop())
    return { constructed, panicked, triggers, cli, getter, works, stopped }
  })

  const coded = (text) => { const { code, message } = JSON.parse(text); return [code, /a test armed call/.test(message) && /src\/faults\.rs:\d+/.test(message)] }
  assert.deepEqual(coded(told.constructed[1]), ['LEAKPROBE_ERR_INTERNAL', true])
  assert.ok(Object.keys(told.panicked).length >= 20, Object.keys(told.panicked).join())
  // A method that is new here wants its arguments above.
  for (const [name, error] of Object.entries(told.panicked)) assert.match(error, /LEAKPROBE_ERR_INTERNAL.*a test armed call/, name)
  assert.deepEqual(coded(told.triggers[1]), ['LEAKPROBE_ERR_INTERNAL', true])
  assert.deepEqual(coded(told.cli[1]), ['LEAKPROBE_ERR_INTERNAL', true])
  assert.deepEqual([told.getter, told.works, told.stopped], [['boolean'], ['object'], ['undefined']])
})

test('panics in the calls of every request, in collections and in an interrupt never reach the application', { skip, timeout: 180_000 }, (t) => {
  const told = run(t, async ({ arm, start, until, directory }) => {
    const http = require('node:http')
    const probe = start({ directory, preset: 'test', triggers: [{ name: 'stall', when: { type: 'stall', aboveMs: 300 }, warmUpMs: 0, actions: ['shadow-collection'] }], floors: 'natural' })
    const server = http.createServer((request, response) => response.end('hello')).listen(0)
    await new Promise((resolve) => server.once('listening', resolve))
    const ask = async () => (await fetch('http://127.0.0.1:' + server.address().port + '/hello')).text()
    const answers = []
    for (const place of ['hot', 'gc']) {
      arm(place, 50)
      for (let i = 0; i < 40; i++) answers.push(await ask())
      global.gc()
      arm(place, 0)
    }
    arm('interrupt', 5)
    await until(() => probe.stats().uptimeMs > 500)
    for (const end = Date.now() + 900; Date.now() < end;);
    const counted = await until(async () => { await ask(); return probe.stats().routes.find(({ route }) => route === 'GET /hello')?.requests })
    await probe.stop()
    server.close()
    server.closeAllConnections()
    return { answers: [...new Set(answers)], counted: counted > 0 }
  })

  assert.deepEqual(told, { answers: ['hello'], counted: true })
})

test('a panic of the background thread is counted and told with its place, and the thread goes on', { skip, timeout: 180_000 }, (t) => {
  const told = run(t, async ({ arm, start, until, directory }) => {
    const probe = start({ directory, preset: 'test', triggers: false, floors: 'natural' })
    arm('recorder', 3)
    const dropped = await until(() => { const { dropped } = probe.stats().cost; return dropped['error: a step of the background thread panicked'] === 3 && dropped })
    const because = probe.report().process.capabilities.recorder.because
    const incident = await probe.capture()
    await probe.stop()
    return { dropped, because, id: typeof incident.id }
  })

  assert.match(told.because, /^a step of the background thread panicked: .*faults\.rs:\d+: a test armed recorder$/)
  assert.equal(told.id, 'string')
})

for (const [place, expected] of [['shadow', 'failed'], ['snapshot', 'failed']]) {
  test(`a panic in the ${place === 'shadow' ? 'shadow' : 'thread that reads it'} ends the capture with a reason, not the application, and no second one runs on`, { skip, timeout: 180_000 }, (t) => {
    const told = run(t, `async ({ arm, start, directory }) => {
      const probe = start({ directory, preset: 'test', triggers: false, floors: 'natural' })
      arm('${place}', 9)
      const failed = await probe.capture({ floor: true })
      arm('${place}', 0)
      const next = await probe.capture({ floor: true })
      await probe.stop()
      return { pid: process.pid, failed: failed.shadow, next: next.shadow }
    }`)

    if (told.failed.state === 'refused' && told.next.state === 'refused') return t.skip(told.failed.because)
    assert.equal(told.failed.state, expected, JSON.stringify(told.failed))
    assert.ok(told.failed.because.length > 10, told.failed.because)
    assert.equal(told.next.state, 'answered', JSON.stringify(told.next))
  })
}

test('threads that cannot be started are a coded error of start(), and a reason in a capture', { skip, timeout: 180_000 }, (t) => {
  const told = run(t, async ({ arm, start, outcome, directory }) => {
    arm('leakprobe')
    const refused = outcome(() => start({ directory }))
    const probe = start({ directory, preset: 'test', triggers: false, floors: 'natural' })
    arm('leakprobe-snap', 9)
    const failed = await probe.capture({ floor: true })
    arm('leakprobe-snap', 0)
    const next = await probe.capture({ floor: true })
    await probe.stop()
    return { refused, failed: failed.shadow, next: next.shadow }
  })

  assert.equal(told.refused[0], 'LEAKPROBE_ERR_THREAD', told.refused[1])
  if (told.failed.state === 'refused' && told.next.state === 'refused') return t.skip(told.failed.because)
  assert.equal(told.failed.state, 'failed', JSON.stringify(told.failed))
  assert.match(told.failed.because, /thread/)
  assert.equal(told.next.state, 'answered', JSON.stringify(told.next))
})

test('the released addon has no way to arm a fault', () => {
  const name = fs.readdirSync(ROOT).find((one) => one.startsWith(`leakprobe.${process.platform}-${process.arch}`) && one.endsWith('.node'))
  const bytes = fs.readFileSync(path.join(ROOT, name))

  assert.ok(!bytes.includes('armFault') && !bytes.includes('a test armed'))
  assert.equal(require('../lib/native').loadNative().armFault, undefined)
})
