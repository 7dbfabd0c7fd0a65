'use strict'

// What the analysis of an incident's heap says joins the leaks of its report: on real servers that leak.

const assert = require('node:assert/strict')
const { spawn, spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { setTimeout: wait } = require('node:timers/promises')
const { test } = require('node:test')
const { endAfter, makeDirectory, request, until } = require('./helper.js')

const SERVER = path.join(__dirname, 'fixtures', 'joined.js')
const BIN = path.join(__dirname, '..', 'bin.js')
const timeout = 180_000
const skip = process.platform !== 'linux' || process.arch !== 'x64' || process.report.getReport().header.glibcVersionRuntime === undefined

/** Loads a server until its report names the route's leak, captures a heap snapshot, and waits for its analysis. */
async function captured (t, route, without) {
  const directory = makeDirectory(t)
  const server = spawn(process.execPath, [SERVER, directory, without], { stdio: ['ignore', 'pipe', 'inherit'] })
  endAfter(t, server)
  const port = Number(await new Promise((resolve) => server.stdout.once('data', resolve)))
  const json = async (target) => JSON.parse((await request(port, target)).body)
  // Until there are enough readings a leak may be told of several routes together.
  const named = (report) => report.leaks.find(({ routes }) => routes.length === 1 && routes[0] === `GET ${route}`)
  const end = performance.now() + 90_000
  let leak
  // Paced, so that the heap stays small until floors have been taken.
  for (let round = 0; leak === undefined && performance.now() < end; round++) {
    const mix = [...Array.from({ length: 1 + round % 5 }, () => route), '/ring', '/health', ...(round % 3 === 0 ? ['/ring'] : [])]
    for (let lap = 0; lap < 8; lap++) for (const target of mix) await request(port, target)
    leak = named(await json('/report'))
    await wait(30)
  }
  assert.notEqual(leak, undefined, 'the leak is in the report')
  const incident = await json('/capture')
  assert.equal(incident.heapSnapshot.state, 'written', JSON.stringify(incident.heapSnapshot))
  const read = (name) => JSON.parse(fs.readFileSync(path.join(incident.directory, name), 'utf8'))
  await until(() => fs.existsSync(path.join(incident.directory, 'analysis.json')) && read('analysis.json').heapSnapshot !== undefined, 'the analysis is there', 90_000)
  const analysis = read('analysis.json')
  assert.equal(analysis.heapSnapshot.state, undefined, JSON.stringify(analysis.heapSnapshot.because))
  let live
  await until(async () => {
    live = named(await json('/report'))
    return live?.culprit?.retainingPath.length > 0
  }, 'the current report has the path')
  return { analysis, incident, leak: named(read('report.json')), live }
}

test('without walks, the heap snapshot of an incident gives its leak the retaining path and the code', { skip, timeout }, async (t) => {
  const { analysis, leak, live } = await captured(t, '/customers', 'heap-walk')

  assert.deepEqual(Object.keys(analysis).sort(), ['heapSnapshot', 'schema'])
  assert.equal(leak.culprit?.pathBy, 'amount', JSON.stringify({ leak, live }))
  assert.ok(leak.culprit.retainingPath.includes('context customers'), leak.culprit.retainingPath.join(' → '))
  assert.equal(leak.culprit.file, SERVER)
  assert.deepEqual(live.culprit, leak.culprit)
})

test('with walks, the incident has the path at once, and both analyses in one file', { skip, timeout }, async (t) => {
  const { analysis, incident, leak } = await captured(t, '/customers', '')

  assert.deepEqual(Object.keys(analysis).sort(), ['heapSnapshot', 'schema', 'walk'])
  assert.equal(incident.walk.state, 'answered')
  assert.match(leak.culprit.retainingPath.join(' '), /customers/)
  assert.equal(leak.culprit.file, SERVER)
  assert.equal(leak.kind, 'collection', JSON.stringify(leak))
})

test('watched requests lead from their tag to what keeps them, in the walk, the heap snapshot and the command line', { skip, timeout }, async (t) => {
  const { analysis: { heapSnapshot, walk }, incident, leak } = await captured(t, '/subscribe', '')

  assert.match(leak.culprit.retainingPath.join(' '), /open/)
  const kept = (rows) => rows.filter(({ route }) => route === 'GET /subscribe')
  assert.ok(kept(walk.watched).some(({ path }) => path.join(' ').includes('open')), JSON.stringify(walk.watched.map(({ route, path }) => [route, path])))
  const [first] = kept(heapSnapshot.watched)
  assert.ok(first.retainingPath.includes('context open'), first.retainingPath.join(' → '))
  assert.equal(first.file, SERVER)

  const file = path.join(incident.directory, incident.heapSnapshot.file)
  const run = (...args) => spawnSync(process.execPath, [BIN, 'path', file, '--tag', ...args], { encoding: 'utf8' })
  assert.deepEqual(JSON.parse(run('--route', 'GET /subscribe', '--json').stdout), kept(heapSnapshot.watched))
  assert.match(run().stdout, /\d+ of GET \/subscribe, such as @\d+/)
  const none = run('--route', 'GET /elsewhere')
  assert.equal(none.status, 1)
  assert.match(none.stderr, /no watched request of GET \/elsewhere is kept/)
})
