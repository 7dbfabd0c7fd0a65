'use strict'

const assert = require('node:assert/strict')
const { fork } = require('node:child_process')
const { once } = require('node:events')
const fs = require('node:fs')
const path = require('node:path')
const { test } = require('node:test')
const zlib = require('node:zlib')
const { endAfter, makeDirectory, request, until } = require('./helper.js')

const skip = process.platform !== 'linux' || process.report.getReport().header.glibcVersionRuntime === undefined
const STUCK = path.join(__dirname, 'fixtures', 'stuck.js')

test('a loop that never ends leaves its stack and a heap snapshot', { skip, timeout: 120_000 }, async (t) => {
  const { directory, port } = await server(t, 'yes')
  request(port, '/spin').catch(() => {})

  const incident = await complete(directory)

  assert.equal(incident.trip.condition, 'stall')
  assert.equal(incident.stall.appThread, 'running', JSON.stringify(incident.stall))
  assert.equal(incident.shadow.state, 'answered', JSON.stringify(incident.shadow))
  const stack = fs.readFileSync(path.join(incident.directory, incident.stack), 'utf8')
  assert.match(stack.split('\n')[1], /spinForEver .*stuck\.js:3[4-9]:/, stack)
  assert.deepEqual([incident.heapSnapshot.by, incident.heapSnapshot.countsMatch], ['shadow', true])
  const { snapshot, nodes } = JSON.parse(zlib.gunzipSync(fs.readFileSync(path.join(incident.directory, incident.heapSnapshot.file))))
  assert.equal(nodes.length / snapshot.meta.node_fields.length, snapshot.node_count)
})

test('a stall leaves its stack also when no heap snapshot was asked for', { skip, timeout: 60_000 }, async (t) => {
  const { directory, port } = await server(t, 'no')
  request(port, '/spin').catch(() => {})

  const incident = await complete(directory)

  assert.equal(incident.heapSnapshot.state, 'not-asked')
  assert.equal(incident.floor, undefined)
  assert.match(fs.readFileSync(path.join(incident.directory, incident.stack), 'utf8'), /spinForEver/)
  assert.deepEqual(fs.readdirSync(incident.directory).sort(), ['analysis.json', 'incident.json', 'report.json', 'stack.txt'])
})

test('an app that waits in a system call is not frozen, and the incident says in which', { skip, timeout: 60_000 }, async (t) => {
  const { directory, port } = await server(t, 'no')
  request(port, '/fifo').catch(() => {})

  const incident = await complete(directory)
  fs.writeFileSync(path.join(directory, 'fifo'), 'let it go')

  assert.equal(incident.stall.appThread, 'waiting', JSON.stringify(incident.stall))
  assert.match(`${incident.stall.waitsIn}`, /^(openat|read\(.*fifo\))$/)
  assert.equal(incident.shadow.state, 'failed')
  assert.match(incident.shadow.because, /^the app thread waits in (openat|read.*) and runs no JavaScript/)
})

test('Atomics.wait is told from a loop that computes', { skip, timeout: 60_000 }, async (t) => {
  const { directory, port } = await server(t, 'no')
  request(port, '/wait').catch(() => {})

  const incident = await complete(directory)

  assert.equal(incident.stall.appThread, 'waiting', JSON.stringify(incident.stall))
  assert.match(`${incident.stall.waitsIn}`, /^futex/)
})

// The server stalls meanwhile, too: that incident must not stand in the way.
test('at the heap limit there is an incident with stack and heap snapshot, and the server lives on', { skip, timeout: 180_000 }, async (t) => {
  const { child, directory, port } = await server(t, 'yes', ['--max-old-space-size=100'])

  const answer = await request(port, '/fill')
  const incident = await complete(directory, 'limit')

  assert.equal(answer.body, 'filled')
  assert.ok(incident.heapLimit.raisedTo > incident.heapLimit.limit && incident.heapLimit.limit >= 100 * 2 ** 20, JSON.stringify(incident.heapLimit))
  assert.equal(incident.heapSnapshot.state, 'written', JSON.stringify([incident.heapSnapshot, incident.shadow]))
  assert.ok(incident.floor.heapUsed > 50 * 2 ** 20, JSON.stringify(incident.shadow))
  assert.match(fs.readFileSync(path.join(incident.directory, incident.stack), 'utf8'), /fill .*stuck\.js/)
  assert.equal((await request(port, '/')).body, 'fine')
  assert.equal(child.exitCode, null)
})

async function server (t, heapSnapshot, execArgv = []) {
  const directory = makeDirectory(t)
  const child = fork(STUCK, [directory, heapSnapshot], { execArgv, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  endAfter(t, child)
  const [{ port }] = await once(child, 'message')
  return { child, directory, port }
}

/** The incident, once nothing in it is pending. */
async function complete (directory, name = 'stalled') {
  const incidents = path.join(directory, 'test', 'incidents')
  return await until(() => {
    const found = fs.readdirSync(incidents).find((entry) => !entry.startsWith('.') && entry.includes(`-${name}-`))
    const incident = JSON.parse(fs.readFileSync(path.join(incidents, found, 'incident.json')))
    return incident.heapSnapshot.state !== 'pending' && incident.shadow.state !== 'pending' && incident
  }, `the incident ${name} is complete`, 100_000)
}
