'use strict'

// Heap snapshots by a shadow: the app goes on, its clients notice nothing, and a shadow that dies costs nothing.

const assert = require('node:assert/strict')
const { execFileSync } = require('node:child_process')
const fs = require('node:fs')
const http = require('node:http')
const net = require('node:net')
const path = require('node:path')
const test = require('node:test')
const zlib = require('node:zlib')
const { startProbe, makeDirectory, listen, request, until } = require('./helper.js')

const skip = process.platform !== 'linux' || process.report.getReport().header.glibcVersionRuntime === undefined

/** Process ids of this process's shadows. */
function shadows () {
  return fs.readdirSync(`/proc/${process.pid}/task`).flatMap((thread) => {
    try {
      return fs.readFileSync(`/proc/${process.pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
    } catch {
      return []
    }
  }).filter((pid) => {
    try {
      return fs.readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('leakprobe-shado')
    } catch {
      return false
    }
  })
}

function classCount (incident, name) {
  const snapshot = JSON.parse(zlib.gunzipSync(fs.readFileSync(path.join(incident.directory, incident.heapSnapshot.file))))
  const fields = snapshot.snapshot.meta.node_fields
  const [type, label] = [fields.indexOf('type'), fields.indexOf('name')]
  const object = snapshot.snapshot.meta.node_types[type].indexOf('object')
  let found = 0
  for (let i = 0; i < snapshot.nodes.length; i += fields.length) {
    if (snapshot.nodes[i + type] === object && snapshot.strings[snapshot.nodes[i + label]] === name) found++
  }
  return found
}

/** What this process has open. The history's files are opened by their own thread when it comes to it. */
function descriptors () {
  const open = fs.readdirSync('/proc/self/fd').map((fd) => { try { return fs.readlinkSync(`/proc/self/fd/${fd}`) } catch { return '' } })
  return open.filter((file) => !path.basename(file).startsWith('history.sqlite'))
}

test('a shadow takes the heap snapshot, with floor and stack, and leaves nothing behind', { skip, timeout: 120_000 }, async (t) => {
  const probe = startProbe(t, { directory: makeDirectory(t) })
  class Planted {}
  const planted = Array.from({ length: 2_000 }, () => new Planted())
  const before = descriptors()

  const incident = await probe.capture({ heapSnapshot: true, reason: 'planted' })

  const { heapSnapshot } = incident
  assert.equal(heapSnapshot.by, 'shadow', JSON.stringify(heapSnapshot))
  assert.equal(heapSnapshot.state, 'written')
  assert.ok(heapSnapshot.countsMatch)
  assert.ok(incident.readings.length > 0, 'the memory was looked at before the shadow was asked')
  const { idleMs, areasMs, forkMs, restoreMs } = heapSnapshot.pauseParts
  const parts = idleMs + areasMs + forkMs + restoreMs
  assert.ok(Math.abs(parts - heapSnapshot.pauseMs) < 0.5, `${parts} of ${heapSnapshot.pauseMs} ms are explained`)
  const found = classCount(incident, 'Planted')
  assert.ok(found >= planted.length && found <= planted.length + 2, `${found}`)
  const used = process.memoryUsage().heapUsed
  assert.ok(incident.floor.heapUsed > 1e6 && incident.floor.heapUsed <= used * 1.5, `${incident.floor.heapUsed} of ${used}`)
  assert.match(fs.readFileSync(path.join(incident.directory, incident.stack), 'utf8'), /captures\.js:\d+/)
  assert.deepEqual(shadows(), [])
  // The probe's thread reads /proc each second, and the analysis of the heap snapshot still runs: for a while there may be some more.
  await until(() => descriptors().length <= before.length || assert.fail(descriptors().join()), `there are ${before} again`)
  assert.equal(probe.stats().cost.freezes, 1)
})

test('requests go on while a shadow works, and a client sees its connection end at once', { skip, timeout: 120_000 }, async (t) => {
  const probe = startProbe(t, { directory: makeDirectory(t) })
  const server = http.createServer((req, res) => req.url === '/end' ? res.socket.destroy() : res.end('hello'))
  const port = await listen(t, server)
  const agent = new http.Agent({ keepAlive: true, maxSockets: 4 })
  t.after(() => agent.destroy())
  const socket = net.connect(port, '127.0.0.1')
  await new Promise((resolve) => socket.once('connect', resolve))
  let done = false
  const capture = probe.capture({ heapSnapshot: true }).finally(() => { done = true })
  await until(() => shadows().length > 0, 'a shadow is at work')

  let answered = 0
  const ended = new Promise((resolve) => socket.once('close', resolve))
  socket.on('error', () => {})
  socket.write('GET /end HTTP/1.1\r\nhost: x\r\n\r\n')
  await ended
  const whileShadowWorked = !done
  execFileSync('true')
  do {
    const answers = await Promise.all([1, 2, 3, 4].map(() => request(port, '/', { agent })))
    answered += answers.filter(({ status, body }) => status === 200 && body === 'hello').length
  } while (!done)

  assert.ok(whileShadowWorked, 'the connection ended while the shadow still ran')
  assert.ok(answered >= 4 && answered % 4 === 0, `${answered}`)
  assert.equal((await capture).heapSnapshot.by, 'shadow')
})

test('a shadow that is killed is tried again', { skip, timeout: 120_000 }, async (t) => {
  const probe = startProbe(t, { directory: makeDirectory(t) })
  const capture = probe.capture({ heapSnapshot: true })
  await until(() => shadows().length > 0, 'a shadow is at work')
  shadows().forEach((pid) => process.kill(pid, 'SIGKILL'))

  const { heapSnapshot } = await capture

  assert.equal(heapSnapshot.state, 'written')
  assert.equal(heapSnapshot.by, 'shadow')
  assert.equal(probe.stats().cost.dropped['error: a shadow gave no answer'], 1)
  assert.deepEqual(shadows(), [])
})

test('a walk that is ended while it writes the heap snapshot is followed by V8', { skip: skip || process.arch !== 'x64', timeout: 120_000 }, async (t) => {
  const directory = makeDirectory(t)
  const probe = startProbe(t, { directory, heapSnapshotBy: 'walk' })
  const kept = Array.from({ length: 200_000 }, (_, i) => ({ i, text: `kept ${i}` }))
  await until(() => probe.report().process.capabilities.heapWalk?.state !== undefined, 'it is known whether there are walks')
  const { state, because } = probe.report().process.capabilities.heapWalk
  assert.equal(state, 'native', because)
  const capture = probe.capture({ heapSnapshot: true })
  const written = () => fs.readdirSync(directory, { recursive: true }).filter((name) => path.basename(name).startsWith('.tmp-') && name.endsWith('.gz'))
  await until(() => written().some((name) => fs.statSync(path.join(directory, name)).size > 0), 'the heap snapshot is being written')
  shadows().forEach((pid) => process.kill(pid, 'SIGKILL'))

  const { heapSnapshot, shadow } = await capture

  assert.deepEqual([heapSnapshot.state, heapSnapshot.by, heapSnapshot.generator], ['written', 'shadow', 'v8'], JSON.stringify([heapSnapshot, shadow]))
  assert.equal(shadow.attempts, 2)
  assert.equal(kept.length, 200_000)
})

test('when every shadow dies the app takes the heap snapshot itself', { skip, timeout: 120_000 }, async (t) => {
  const probe = startProbe(t, { directory: makeDirectory(t) })
  let done = false
  const capture = probe.capture({ heapSnapshot: true }).finally(() => { done = true })
  await until(() => {
    shadows().forEach((pid) => process.kill(pid, 'SIGKILL'))
    return done
  }, 'the incident is complete')

  const incident = await capture

  assert.equal(incident.heapSnapshot.state, 'written')
  assert.equal(incident.heapSnapshot.by, 'in-process')
  assert.equal(probe.stats().cost.dropped['error: a shadow gave no answer'], 3)
  assert.equal(fs.readdirSync(incident.directory).filter((name) => name.startsWith('.tmp')).length, 0)
})

test('stop() ends a shadow at work, and its incident says so', { skip, timeout: 120_000 }, async (t) => {
  const directory = makeDirectory(t)
  const probe = startProbe(t, { directory })
  const capture = probe.capture({ heapSnapshot: true })
  const refused = assert.rejects(capture, { code: 'LEAKPROBE_ERR_CAPTURE' })
  await until(() => shadows().length > 0, 'a shadow is at work')

  await probe.stop()
  await refused

  assert.deepEqual(shadows(), [])
  const [name] = fs.readdirSync(path.join(directory, 'test', 'incidents'))
  const incident = JSON.parse(fs.readFileSync(path.join(directory, 'test', 'incidents', name, 'incident.json'), 'utf8'))
  assert.equal(incident.heapSnapshot.state, 'failed')
})

test('without freezing the app takes heap snapshots itself, and the capability says so', { timeout: 120_000 }, async (t) => {
  const probe = startProbe(t, { directory: makeDirectory(t), without: ['freeze'] })

  const { heapSnapshot } = await probe.capture({ heapSnapshot: true })

  assert.equal(heapSnapshot.by, 'in-process')
  assert.ok(heapSnapshot.pauseMs > 10)
  const { freeze } = probe.report().process.capabilities
  assert.equal(freeze.state, 'fallback')
  assert.match(freeze.because, /switched off/)
})
