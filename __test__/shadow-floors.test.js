'use strict'

// Floors that the planner asks of shadows: no collection in the app, no incident, and none while nothing happens.

const assert = require('node:assert/strict')
const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const http = require('node:http')
const path = require('node:path')
const { test } = require('node:test')
const { listen, makeDirectory, request, startProbe, until } = require('./helper.js')
const { verdict } = require('./verdict-app.js')

const skip = process.platform !== 'linux' || process.report.getReport().header.glibcVersionRuntime === undefined
const HEALTHY = { '/garbage': 2, '/ring': 2, '/listens': 1, '/health': 2 }

test('a leak is found by the floors of shadows, and the app collects nothing for it', { skip, timeout: 150_000 }, async (t) => {
  // Without the heap sampler's own pauses.
  const environment = { LEAKPROBE_FLOORS: 'shadow', LEAKPROBE_WITHOUT: 'heap-samples' }
  const report = await verdict(t, 'two', { ...HEALTHY, '/large': 1 }, ({ leaks }) => leaks.length > 0, { environment, atMostMs: 90_000 })

  assert.deepEqual(report.leaks.map(({ route }) => route), ['GET /large'], JSON.stringify(report.cost))
  const { freezes, freezeMs, pauseMs } = report.cost
  assert.ok(freezes >= 8, `${freezes} freezes`)
  const frozen = freezeMs.idle + freezeMs.areas + freezeMs.fork + freezeMs.restore
  assert.ok(Math.abs(pauseMs.total - frozen) < 1, `${pauseMs.total} ms of pauses, ${frozen} ms of freezes`)
  const { state, because } = report.process.capabilities.floors
  assert.equal(state, 'native')
  assert.match(because, /shadow/)
})

test('nobody is frozen while no request comes', { skip, timeout: 30_000 }, async (t) => {
  const probe = startProbe(t, { floors: 'shadow', warmUpMs: 0 })

  await until(() => probe.stats().uptimeMs > 3_000)

  const { cost, investigation } = probe.stats()
  assert.equal(cost.freezes, 0)
  assert.equal(investigation.state, 'watch', JSON.stringify(investigation))
  assert.equal(investigation.floors, 0)
})

test('an incident goes before a floor, and a floor leaves no incident', { skip, timeout: 60_000 }, async (t) => {
  const directory = makeDirectory(t)
  const probe = startProbe(t, { directory, floors: 'shadow', warmUpMs: 0 })
  const port = await listen(t, http.createServer((req, res) => res.end('ok')))
  await until(async () => {
    await request(port, '/floor')
    return probe.stats().investigation.floors >= 2
  })
  assert.equal(fs.existsSync(path.join(directory, 'test', 'incidents')), false)

  const incident = await probe.capture({ floor: true })

  assert.equal(incident.shadow.state, 'answered', JSON.stringify(incident.shadow))
  assert.ok(incident.floor.heapUsed > 1e6)
  assert.equal(fs.readdirSync(path.join(directory, 'test', 'incidents')).length, 1)
})

test('the room for the young generation is no room for what is live, and a shadow measures it', { skip, timeout: 120_000 }, async (t) => {
  const MB = 1 << 20
  const semiSpaces = [['--max-old-space-size=96', '--max-semi-space-size=16'], ['--max-old-space-size=256', '--max-semi-space-size=32']]
  for (const [flags, oldGeneration, reserve] of [[semiSpaces[0], 96 * MB, 48 * MB], [semiSpaces[1], 256 * MB, 96 * MB]]) {
    const { before, after } = liveLimits(t, flags)
    assert.equal(before.liveLimit, before.limit)
    assert.equal(after.liveLimit, oldGeneration)
    assert.equal(after.limit - after.liveLimit, reserve)
    assert.equal(after.limit, before.limit, "the app's own limit is as it was")
  }
  // Nearly full: V8 does not lower a limit to less than five quarters of what lives.
  const full = liveLimits(t, semiSpaces[0], { fillMb: 80 })
  assert.ok(full.after.liveLimit > 96 * MB && full.after.liveLimit < 116 * MB, `${full.after.liveLimit / MB} MiB`)
  const { after } = liveLimits(t, ['--max-old-space-size=96'], { without: 'native-heap-statistics' })
  assert.equal(after.liveLimit, after.limit)
})

/** V8's limits as a process with these flags tells them, before and after a floor of a shadow. */
function liveLimits (t, flags, { fillMb = 0, without } = {}) {
  const code = `
    const { start } = require(${JSON.stringify(path.join(__dirname, '..'))})
    const probe = start({ preset: 'test', directory: ${JSON.stringify(makeDirectory(t))}, service: 'limits' })
    const ticked = async (known) => { while (!known(probe.stats().heap)) await new Promise((resolve) => setTimeout(resolve, 10)) }
    const kept = globalThis.kept = []
    while (process.memoryUsage().heapUsed < ${fillMb << 20}) kept.push(Array.from({ length: 1000 }, (_, i) => ({ i })))
    ;(async () => {
      await ticked((heap) => heap)
      const before = probe.stats().heap
      const { floor } = await probe.capture({ floor: true })
      const answered = probe.stats().uptimeMs
      // Some ticks later.
      await ticked(() => floor !== undefined && probe.stats().uptimeMs > answered + 1_000)
      const after = probe.stats().heap
      await probe.stop()
      console.log(JSON.stringify({ before, after }))
    })()`
  const env = without === undefined ? process.env : { ...process.env, LEAKPROBE_WITHOUT: without }
  const { status, stdout, stderr } = spawnSync(process.execPath, [...flags, '-e', code], { encoding: 'utf8', env })
  assert.equal(status, 0, stderr)
  return JSON.parse(stdout)
}

test('where nothing can be frozen, floors are forced under the preset test, and natural in production', { timeout: 60_000 }, async (t) => {
  const floors = (probe) => probe.report().process.capabilities.floors
  const forced = startProbe(t, { floors: 'shadow', without: ['freeze'], floorIntervalMs: 100, floorPauseShare: 0.5 })
  const port = await listen(t, http.createServer((req, res) => res.end('ok')))

  await until(async () => {
    await request(port, '/floor')
    return forced.stats().cost.pauseMs.total > 0
  })

  assert.equal(floors(forced).state, 'fallback')
  assert.match(floors(forced).because, /two full collections .* cannot be frozen/)
  assert.equal(forced.stats().investigation.state, 'off')
  await forced.stop()

  const natural = startProbe(t, { preset: 'production', floors: 'auto', without: ['freeze'] })
  await until(() => floors(natural)?.state === 'fallback')
  assert.match(floors(natural).because, /major collections that happen anyway/)
})

test('a server that gets slower with what it keeps is reported as a slowdown', { timeout: 150_000 }, async (t) => {
  const slower = (report) => report.slowdowns.some(({ route }) => route === 'GET /search')
  const report = await verdict(t, 'slower', { ...HEALTHY, '/search': 3, '/slow': 0.3, '/busy': 1 }, slower, { atMostMs: 90_000 })

  const [found] = report.slowdowns.filter(({ route }) => route === 'GET /search')
  assert.ok(found !== undefined, JSON.stringify(report.slowdowns))
  assert.ok(found.nowMs > 1.2 * found.baselineMs && found.doublingTimeMs > 0, JSON.stringify(found))
  assert.deepEqual(report.slowdowns.filter(({ route }) => route === 'GET /slow' || route === 'GET /busy'), [])
})
