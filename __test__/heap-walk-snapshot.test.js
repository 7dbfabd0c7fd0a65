'use strict'

// A heap snapshot that the walk writes, against V8's of the same heap: the rules of the format, classes, sizes, edges, what holds what.

const assert = require('node:assert/strict')
const { fork, spawnSync } = require('node:child_process')
const { once } = require('node:events')
const fs = require('node:fs')
const path = require('node:path')
const { test } = require('node:test')
const zlib = require('node:zlib')
const { brokenRules } = require('./format-rules.js')
const { endAfter, makeDirectory } = require('./helper.js')

const BIN = path.join(__dirname, '..', 'bin.js')
const skip = process.platform !== 'linux' || process.arch !== 'x64' || process.report.getReport().header.glibcVersionRuntime === undefined

test('a heap snapshot by the walk has the format, objects, sizes, edges and holders of one by V8', { skip, timeout: 120_000 }, async (t) => {
  const child = endAfter(t, fork(path.join(__dirname, 'fixtures', 'two-snapshots.js'), [makeDirectory(t)], { execArgv: [] }))
  const [{ walk, v8, redacted }] = await once(child, 'message')
  assert.equal(walk.capabilities.heapWalk.state, 'native', walk.capabilities.heapWalk.because)
  assert.deepEqual([walk.incident.heapSnapshot.state, walk.incident.heapSnapshot.generator], ['written', 'walk'], JSON.stringify(walk.incident.heapSnapshot))
  assert.deepEqual([v8.incident.heapSnapshot.state, v8.incident.heapSnapshot.generator], ['written', 'v8'], JSON.stringify(v8.incident.heapSnapshot))
  const files = [walk, v8].map(({ incident }) => path.join(incident.directory, incident.heapSnapshot.file))
  const [ours, theirs] = files.map((file) => JSON.parse(zlib.gunzipSync(fs.readFileSync(file))))

  assert.deepEqual(brokenRules(ours), [])
  const [of, and] = [count(ours), count(theirs)]
  for (const name of ['Order', 'Line']) assert.deepEqual(of.classes.get(name), and.classes.get(name), name)
  const objects = [...and.classes.values()].reduce((sum, { count }) => sum + count, 0)
  const names = [...new Set([...of.classes.keys(), ...and.classes.keys()])]
  const apart = names.filter((name) => of.classes.get(name)?.count !== and.classes.get(name)?.count)
  const differ = apart.reduce((sum, name) => sum + Math.abs((of.classes.get(name)?.count ?? 0) - (and.classes.get(name)?.count ?? 0)), 0)
  assert.ok(differ < objects * 0.01, `${differ} of ${objects}: ${apart.map((name) => `${name} ${of.classes.get(name)?.count} ${and.classes.get(name)?.count}`).join(', ')}`)
  for (const edge of ['lines', 'text', 'closure', 'key77', 'note']) assert.equal(of.properties.get(edge), and.properties.get(edge), `edges ${edge}`)

  const [mine, other] = files.map((file) => leakprobe('analyze', file, '--json'))
  const retained = (analysis, name) => analysis.classes.find((row) => row.class === name)
  for (const name of ['Order', 'Line']) assert.deepEqual(retained(mine, name), retained(other, name), name)
  // V8 calls the state of an async function a Generator, and its numbers of objects are its own.
  const paths = files.map((file) => leakprobe('path', file, '--class', 'Line', '--json').map(({ class: name, count, kind, retainingPath }) =>
    ({ name, count, kind, path: retainingPath.map((step) => step.replace('AsyncFunctionObject', 'Generator')) })))
  assert.deepEqual(paths[0], paths[1])

  const { heapSnapshot, directory } = redacted.incident
  assert.deepEqual([heapSnapshot.state, heapSnapshot.generator, heapSnapshot.redacted, heapSnapshot.countsMatch], ['written', 'walk', true, true], JSON.stringify(heapSnapshot))
  const text = zlib.gunzipSync(fs.readFileSync(path.join(directory, heapSnapshot.file))).toString()
  assert.ok(files.every((file) => zlib.gunzipSync(fs.readFileSync(file)).includes('"line 17"')))
  assert.ok(!text.includes('"line 17"') && text.includes('"Order"'))
  assert.deepEqual(brokenRules(JSON.parse(text)), [])
})

test('words of an array buffer that V8 never wrote are no edges', { skip, timeout: 120_000 }, async (t) => {
  const child = endAfter(t, fork(path.join(__dirname, 'fixtures', 'array-buffers.js'), [makeDirectory(t)], { execArgv: [] }))
  const [{ directory, heapSnapshot }] = await once(child, 'message')
  assert.equal(heapSnapshot.generator, 'walk', JSON.stringify(heapSnapshot))
  const { snapshot: { meta }, nodes, edges, strings } = JSON.parse(zlib.gunzipSync(fs.readFileSync(path.join(directory, heapSnapshot.file))))
  const hidden = meta.edge_types[0].indexOf('hidden')
  const told = []
  let [buffers, edge] = [0, 0]
  for (let at = 0; at < nodes.length; at += meta.node_fields.length) {
    const isBuffer = meta.node_types[0][nodes[at]] === 'object' && strings[nodes[at + 1]] === 'ArrayBuffer'
    buffers += isBuffer
    for (const end = edge + 3 * nodes[at + 4]; edge < end; edge += 3) {
      // Up to word 4 is the key for detaching, which is one.
      if (isBuffer && edges[edge] === hidden && edges[edge + 1] > 4) told.push(`word ${edges[edge + 1]}: ${strings[nodes[edges[edge + 2] + 1]]}`)
    }
  }
  assert.ok(buffers >= 4000, `${buffers}`)
  assert.deepEqual(told, [])
})

function leakprobe (...args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [BIN, ...args], { encoding: 'utf8', maxBuffer: 1 << 28 })
  assert.equal(status, 0, stderr)
  return JSON.parse(stdout)
}

/** Objects by class with their bytes, and edges by the name of their property. */
function count ({ snapshot: { meta }, nodes, edges, strings }) {
  const field = (name) => meta.node_fields.indexOf(name)
  const [type, name, size] = ['type', 'name', 'self_size'].map(field)
  const types = meta.node_types[0]
  const classes = new Map()
  for (let at = 0; at < nodes.length; at += meta.node_fields.length) {
    if (types[nodes[at + type]] !== 'object') continue
    const row = classes.get(strings[nodes[at + name]]) ?? { count: 0, bytes: 0 }
    row.count++
    row.bytes += nodes[at + size]
    classes.set(strings[nodes[at + name]], row)
  }
  const properties = new Map()
  const property = meta.edge_types[0].indexOf('property')
  for (let at = 0; at < edges.length; at += 3) {
    if (edges[at] === property) properties.set(strings[edges[at + 1]], (properties.get(strings[edges[at + 1]]) ?? 0) + 1)
  }
  return { classes, properties }
}
