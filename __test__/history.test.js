'use strict'

// The history over restarts, crashes and damage, and the budget that all processes of a service share.

const assert = require('node:assert/strict')
const { fork, spawn } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { test } = require('node:test')
const { endAfter, makeDirectory, startProbe, until } = require('./helper')
const { APP, ask, capability, history } = require('./remembered-app')

const STORM = path.join(__dirname, 'fixtures', 'storm.js')
/** Processes killed at random moments. */
const KILLS = Number(process.env.LEAKPROBE_TEST_KILLS ?? 6)
/** A second that is over is written within so long, on a machine that does much else. */
const WRITTEN_MS = 1400
const VERSION_PLACE = 60

function requestsIn (directory) {
  return history(directory).routes.reduce((sum, { requests }) => sum + requests, 0)
}

function app (t, directory, options = {}) {
  const child = endAfter(t, fork(APP, [JSON.stringify({ directory, ...options })], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }))
  child.answers = []
  child.on('message', (message) => message.answered && child.answers.push(message.at))
  return child
}

function ended (child) {
  return child.exitCode !== null || child.signalCode !== null ? undefined : new Promise((resolve) => child.once('exit', resolve))
}

test('a service is remembered over its restarts, with its versions', async (t) => {
  const directory = makeDirectory(t)
  for (const version of ['1.0.0', '1.1.0']) {
    const child = app(t, directory, { version })
    await until(() => capability(child).then(({ state }) => state === 'native'))
    await until(() => child.answers.length > 60)
    child.send('stop')
    await ended(child)
  }

  const found = history(directory)
  const [counted] = found.routes
  assert.match(counted.route, /^GET \/mails\//)
  assert.ok(counted.requests >= 120, String(counted.requests))
  assert.ok(counted.p95Ms > 1 && counted.p95Ms < 60_000, String(counted.p95Ms))
  assert.deepEqual(found.deployments.map(({ version }) => version), ['1.0.0', '1.1.0'])
  assert.deepEqual(found.lives.map(({ ended }) => ended), [true, true])
  assert.ok(found.process.some(({ rss }) => rss > 10_000_000))
  assert.equal((fs.statSync(path.join(directory, 'remembered', 'history.sqlite')).mode & 0o777).toString(8), '600')
})

test('a process that is killed loses at most its last second, and the file opens', async (t) => {
  const directory = makeDirectory(t)
  let before = 0
  const late = []
  for (let round = 0; round < KILLS; round++) {
    const child = app(t, directory)
    await until(() => child.answers.length > 20)
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 2000))
    child.kill('SIGKILL')
    const killed = Date.now()
    await ended(child)

    const after = requestsIn(directory)
    assert.ok(after - before <= child.answers.length + 5, `round ${round}: ${after - before} of ${child.answers.length}`)
    const firstLost = child.answers[after - before]
    // A second is written when it is over, by the next step of the thread (50 ms) and of the history's. What is told at its very end
    // may have been counted in the next.
    if (firstLost !== undefined) late.push(Math.max(0, killed - (Math.floor((firstLost + 20) / 1000) + 1) * 1000))
    assert.ok(late.every((ms) => ms < WRITTEN_MS), `round ${round}: ${after - before} of ${child.answers.length} requests; their second was over for ${late.at(-1)} ms`)
    before = after
  }
  late.sort((a, b) => a - b)
  t.diagnostic(`of ${KILLS} killed, seconds that were over and not written yet: ${late.filter((ms) => ms > 0).length}, for ${late.at(-1)} ms at most`)
  assert.equal(history(directory).lives.length, KILLS)
})

test('eight workers that trip in the same second capture once', async (t) => {
  const directory = makeDirectory(t)
  const triggers = [{ name: 'many-timers', when: { type: 'timers', above: 40 }, forMs: 0, warmUpMs: 0 }]
  const primary = endAfter(t, fork(STORM, [JSON.stringify({ directory, triggers, every: 0 })], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }))

  const told = await new Promise((resolve, reject) => primary.once('message', resolve).once('exit', () => reject(new Error('the storm ended'))))

  const throttled = told.filter(({ state }) => state === 'throttled')
  assert.equal(throttled.length, 7, JSON.stringify(told, undefined, 1))
  for (const { because } of throttled) assert.match(because, /another process of the service captured it as incident [0-9a-f]{6}: pid \d+/)
  const incidents = fs.readdirSync(path.join(directory, 'remembered', 'incidents')).filter((name) => !name.startsWith('.'))
  assert.equal(incidents.length, 1, incidents.join(' '))
  await until(() => {
    const [trips] = history(directory).trips
    assert.deepEqual(trips, { trigger: 'many-timers', captured: 1, throttled: 7 })
    return true
  })
  primary.disconnect()
  await ended(primary)
})

test('the budget outlives a process that is killed', async (t) => {
  const directory = makeDirectory(t)
  const triggers = [{ name: 'many-timers', when: { type: 'timers', above: 40 }, forMs: 0, warmUpMs: 0, heapSnapshot: true }]
  const options = { triggers, maxCapturesPerDay: 1, every: 0, without: ['freeze'] }
  const incidents = () => fs.readdirSync(path.join(directory, 'remembered', 'incidents')).filter((name) => !name.startsWith('.')).sort()
    .map((name) => JSON.parse(fs.readFileSync(path.join(directory, 'remembered', 'incidents', name, 'incident.json'))))
  const first = app(t, directory, options)
  await until(() => capability(first).then(({ state }) => state === 'native'))
  first.send('timers')
  await until(() => incidents()[0]?.heapSnapshot.state === 'written', 'the first heap snapshot is written', 60_000)
  first.kill('SIGKILL')
  await ended(first)

  const second = app(t, directory, options)
  await until(() => capability(second).then(({ state }) => state === 'native'))
  await until(() => ask(second, 'stats').then(({ cost }) => cost.budget.capturesPerDay.used === 1))
  // Another process's trip is another event after a minute; here the limit of the day comes first, so its own trip is asked for.
  const other = [{ ...triggers[0], name: 'other-timers' }]
  second.send('stop')
  await ended(second)
  const third = app(t, directory, { ...options, triggers: other })
  await until(() => capability(third).then(({ state }) => state === 'native'))
  third.send('timers')
  const refused = await until(() => incidents().find(({ reason }) => reason === 'other-timers'))
  assert.equal(refused.heapSnapshot.state, 'refused')
  assert.match(refused.heapSnapshot.because, /the budget of 1 heap snapshots per day is used up/)
})

test('a baseline is there at once after a restart', async (t) => {
  const directory = makeDirectory(t)
  const triggers = [{ name: 'own-baseline', when: { type: 'latency', timesBaseline: 50, minRequests: 5 }, warmUpMs: 0 }]
  const because = (child) => ask(child, 'stats').then((stats) => stats.triggers[0].because)
  const first = app(t, directory, { triggers, warmUpMs: 0 })
  await until(async () => /still being learned/.test(await because(first)), 'it is being learned', 30_000)
  await until(async () => /against/.test(await because(first)), 'it is known', 60_000)
  first.send('stop')
  await ended(first)

  const second = app(t, directory, { triggers, warmUpMs: 0 })
  const seen = []
  await until(async () => {
    seen.push(await because(second))
    return /against/.test(seen.at(-1))
  })
  assert.ok(!seen.some((text) => /still being learned/.test(text)), seen.join('\n'))
})

test('a damaged file is set aside, and a newer one is left alone', async (t) => {
  const directory = makeDirectory(t)
  const home = path.join(directory, 'remembered')
  const file = path.join(home, 'history.sqlite')
  fs.mkdirSync(home)
  fs.writeFileSync(file, 'no database '.repeat(999))
  const first = app(t, directory)
  const { because } = await until(() => capability(first).then((found) => found.state === 'native' && found))
  assert.match(because, /the old one was damaged, and is kept as history\.sqlite\.damaged-\d{8}T/)
  await until(() => requestsIn(directory) > 20)
  first.send('stop')
  await ended(first)

  fs.rmSync(`${file}-wal`)
  const bytes = fs.readFileSync(file)
  bytes.writeUInt32BE(99, VERSION_PLACE)
  fs.writeFileSync(file, bytes)
  const second = app(t, directory)
  const off = await until(() => capability(second).then((found) => /version/.test(found.because) && found))
  assert.equal(off.state, 'off')
  assert.match(off.because, /it was written by a newer leakprobe \(version 99 of the form, this one knows 1\); it is left as it is/)
  await until(() => second.answers.length > 50)
  assert.ok((await ask(second, 'stats')).routes[0].requests > 0)
  assert.deepEqual(fs.readFileSync(file), bytes)
})

test('where the disk takes nothing any more the app goes on, and it is said', { skip: process.platform !== 'linux' }, async (t) => {
  const directory = makeDirectory(t)
  // 40 kB a file: the history's log is larger at once.
  const child = endAfter(t, spawn('sh', ['-c', `ulimit -f 80; exec "${process.execPath}" "${APP}" '${JSON.stringify({ directory })}'`],
    { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }))
  child.answers = []
  child.on('message', (message) => message.answered && child.answers.push(message.at))

  const off = await until(() => capability(child).then((found) => found.state === 'off' && /recording goes on/.test(found.because) && found), 'the history says that it is off', 60_000)

  assert.match(off.because, /^history\.sqlite: /)
  const before = child.answers.length
  await until(() => child.answers.length > before + 50)
  assert.ok((await ask(child, 'stats')).routes[0].requests > 50)
})

test('below the floor of free space nothing is captured', async (t) => {
  const probe = startProbe(t, { minFreeDiskBytes: Number.MAX_SAFE_INTEGER })
  const incident = await probe.capture({ heapSnapshot: true })
  assert.equal(incident.directory, undefined)
  assert.match(incident.notWritten, /MB are free on the disk, and below \d+ MB nothing is captured/)
  assert.equal(incident.heapSnapshot.state, 'refused')
  assert.equal(probe.report().process.capabilities.directory.state, 'native')
})

test('without a history there is none', async (t) => {
  const directory = makeDirectory(t)
  const probe = startProbe(t, { directory, history: false })
  const { history: off } = probe.report().process.capabilities
  assert.deepEqual(off, { state: 'off', because: 'switched off by the option `history`' })
  await probe.stop()
  assert.ok(!fs.existsSync(path.join(directory, 'test', 'history.sqlite')))
})
