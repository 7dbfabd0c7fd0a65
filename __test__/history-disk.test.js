'use strict'

// A history whose disk fills up, whose disk nobody may write to, and whose machine is carried to another time zone.

const assert = require('node:assert/strict')
const { fork, spawn, spawnSync } = require('node:child_process')
const { once } = require('node:events')
const fs = require('node:fs')
const path = require('node:path')
const { test } = require('node:test')
const { canMount } = require('./captured-app.js')
const { endAfter, makeDirectory, until } = require('./helper.js')
const { APP, ask, capability, history } = require('./remembered-app.js')

const skip = !canMount && 'mounting needs root'

function listening (t, child) {
  endAfter(t, child)
  child.answered = 0
  child.on('message', ({ answered }) => { child.answered = answered ?? child.answered })
  return child
}

/** An app whose directory is a mount of its own, which nobody else sees; `inside` shows it to the test. */
function mounted (t, directory, mount) {
  const script = `${mount} && exec "$2" "$3" "$4"`
  const child = spawn('unshare', ['-m', 'sh', '-c', script, 'sh', directory, process.execPath, APP, JSON.stringify({ directory })], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  return { child: listening(t, child), inside: path.join('/proc', `${child.pid}`, 'root', directory) }
}

test('on a full disk the history waits in memory, and is written when there is room again', { skip, timeout: 120_000 }, async (t) => {
  const directory = makeDirectory(t)
  const { child, inside } = mounted(t, directory, 'mount -t tmpfs -o size=2m leakprobe "$1"')
  await until(() => capability(child).then(({ state }) => state === 'native'))
  const filler = fs.openSync(path.join(inside, 'filler'), 'w')
  t.after(() => fs.closeSync(filler))
  assert.throws(() => { for (;;) fs.writeSync(filler, Buffer.alloc(4096)) }, { code: 'ENOSPC' })

  const { because } = await until(() => capability(child).then((found) => found.state === 'off' && found), 'the history says that it is off', 60_000)
  assert.match(because, /^history\.sqlite: .*full.*recording goes on/)
  const whileFull = child.answered
  await until(() => child.answered > whileFull + 50, 'the app goes on')

  fs.ftruncateSync(filler)
  await until(() => capability(child).then(({ state, because }) => state === 'native' && /again after a failure/.test(because)), 'it is written again', 30_000)
  await until(() => history(directory, [], ['nsenter', '-t', `${child.pid}`, '-m']).routes[0].requests > whileFull + 50, 'what waited is in the file')
})

test('in a working directory that is read-only the app runs and is watched; a directory that was named is an error', { skip, timeout: 120_000 }, async (t) => {
  const directory = makeDirectory(t)
  const code = `
    const { start } = require(${JSON.stringify(path.join(__dirname, '..'))})
    let refused
    try { start({ directory: 'evidence' }) } catch (error) { refused = error.code }
    const probe = start({ floors: 'natural' })
    probe.track('JOB mail', () => {})
    console.log(JSON.stringify({ refused, directory: probe.report().process.capabilities.directory, routes: probe.stats().routes.map(({ route, requests }) => [route, requests]) }))`
  const script = 'mount -t tmpfs leakprobe "$1" && mount -o remount,ro "$1" && cd "$1" && exec "$2" -e "$3"'

  const { status, stdout, stderr } = spawnSync('unshare', ['-m', 'sh', '-c', script, 'sh', directory, process.execPath, code], { encoding: 'utf8' })

  assert.equal(status, 0, stderr)
  const { refused, directory: capability, routes } = JSON.parse(stdout)
  assert.equal(refused, 'LEAKPROBE_ERR_DIRECTORY')
  assert.equal(capability.state, 'absent')
  assert.match(capability.because, /nothing is kept on disk: .*Read-only file system/)
  assert.match(stderr, /\[LEAKPROBE_ERR_DIRECTORY\] LeakprobeWarning: leakprobe: nothing is kept on disk/)
  assert.deepEqual(routes, [['JOB mail', 1]])
})

test('a service that goes on in another time zone has one history', { timeout: 120_000 }, async (t) => {
  const directory = makeDirectory(t)
  let answered = 0
  for (const TZ of ['Pacific/Kiritimati', 'Pacific/Pago_Pago']) { // 25 hours apart
    const child = listening(t, fork(APP, [JSON.stringify({ directory })], { env: { ...process.env, TZ }, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }))
    await until(() => child.answered > 60)
    child.send('stop')
    await once(child, 'exit')
    answered += child.answered
  }

  // What is counted to the second that has just begun is told once that is over.
  const found = await until(() => {
    const found = history(directory)
    return found.routes[0]?.requests >= answered && found
  }, `all ${answered} requests are told`, 10_000)
  assert.deepEqual(found.lives.map(({ ended }) => ended), [true, true])
  const starts = found.lives.map(({ startedAt }) => Date.parse(startedAt)).sort((a, b) => a - b)
  assert.ok(Math.abs(Date.now() - starts[0]) < 120_000 && starts[1] - starts[0] < 120_000, starts.join())
})
