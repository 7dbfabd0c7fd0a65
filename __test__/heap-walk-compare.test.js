'use strict'

// The walk and V8's own heap snapshot of the same frozen heap, with objects of every kind; and binaries that are refused.

const assert = require('node:assert/strict')
const { fork } = require('node:child_process')
const { once } = require('node:events')
const fs = require('node:fs')
const path = require('node:path')
const { spawnSync } = require('node:child_process')
const { test } = require('node:test')
const zlib = require('node:zlib')
const { endAfter, makeDirectory } = require('./helper.js')
const { graphOf, named, reachable, retainedSizes } = require('./retained-reference.js')

const KINDS = path.join(__dirname, 'fixtures', 'kinds.js')
const RETAINED = path.join(__dirname, 'fixtures', 'retained.js')
const CAPTURES = path.join(__dirname, 'fixtures', 'captures.js')
const skip = process.platform !== 'linux' || process.arch !== 'x64' || process.report.getReport().header.glibcVersionRuntime === undefined
// V8 tells functions apart by name, and calls proxies and what belongs to Node's C++ after something else.
const NAMED_OTHERWISE = new Set(['Function', 'Proxy', 'GlobalProxy', 'ExternalObject'])
// Planted for the walk, and dropped before the heap snapshot.
const PLANTED = 'LeakprobePlanted'
const RENAMED = '_ZN2v88internal26CombinedHeapObjectIterator4NextEv'

test('classes and bytes are those of a heap snapshot of the same shadow', { skip, timeout: 120_000 }, async (t) => {
  const child = fork(KINDS, [makeDirectory(t)], { execArgv: [] })
  endAfter(t, child)
  const [{ incident, planted }] = await once(child, 'message')
  assert.equal(incident.walk?.state, 'answered', JSON.stringify(incident.walk ?? incident.shadow))
  assert.equal(incident.heapSnapshot.state, 'written', JSON.stringify(incident.heapSnapshot))
  const analysis = JSON.parse(fs.readFileSync(path.join(incident.directory, 'analysis.json'))).walk
  const snapshot = read(JSON.parse(zlib.gunzipSync(fs.readFileSync(path.join(incident.directory, incident.heapSnapshot.file)))))

  const walked = analysis.classes.filter((one) => !one.class.startsWith('(') && !NAMED_OTHERWISE.has(one.class) && one.class !== PLANTED)
  assert.equal(snapshot.classes.get(PLANTED), undefined)
  let [objects, apart] = [0, 0]
  const differing = []
  for (const { class: name, count } of walked) {
    const there = snapshot.classes.get(name) ?? 0
    objects += count
    apart += Math.abs(there - count)
    if (there !== count) differing.push(`${name} ${count} instead of ${there}`)
  }
  t.diagnostic(`${objects} objects of ${walked.length} classes; differing: ${differing.join(', ') || 'none'}`)
  assert.ok(objects > 50_000)
  assert.ok(apart <= objects * 0.001, `${apart} of ${objects} objects differ: ${differing.join(', ')}`)
  assert.equal(analysis.classes.find((one) => one.class === 'Planted').count, planted)
  const [bytes, there] = [walked.reduce((sum, one) => sum + one.bytes, 0), walked.reduce((sum, one) => sum + (snapshot.bytes.get(one.class) ?? 0), 0)]
  assert.ok(Math.abs(bytes / there - 1) < 0.005, `${bytes} bytes by the walk, ${there} by V8`)
})

test('what an object retains is what goes with it in a heap snapshot of the same shadow', { skip, timeout: 120_000 }, async (t) => {
  const child = endAfter(t, fork(RETAINED, [makeDirectory(t)], { execArgv: [] }))
  const [{ incident }] = await once(child, 'message')
  assert.equal(incident.walk?.state, 'answered', JSON.stringify(incident.walk ?? incident.shadow))
  const { retainers, noRetainers } = JSON.parse(fs.readFileSync(path.join(incident.directory, incident.walk.file))).walk
  const graph = graphOf(JSON.parse(zlib.gunzipSync(fs.readFileSync(path.join(incident.directory, incident.heapSnapshot.file)))))
  const all = reachable(graph)

  assert.equal(noRetainers, null)
  const told = new Map(retainers.map((retainer) => [retainer.steps.at(-1).edge, retainer]))
  const names = ['mapOfRows', 'setOfRows', 'listOfRows', 'linkedRows', 'recordOfRows', 'nestedMaps', 'storedBytes', 'sharers', 'weakRows']
  assert.deepEqual(names.filter((name) => !told.has(name)), [], [...told.keys()].join())
  const differing = []
  for (const name of names) {
    const { class: className, retained, culprit } = told.get(name)
    const [node, ...others] = named(graph, name, className)
    assert.ok(node !== undefined && others.length === 0, `${name}: ${className}`)
    assert.equal(culprit.file, RETAINED)
    const reference = all - reachable(graph, node)
    t.diagnostic(`${name}: ${className} retains ${retained}, by V8's heap snapshot ${reference}`)
    if (Math.abs(retained / reference - 1) > 0.02) differing.push(`${name} ${retained} instead of ${reference}`)
  }
  assert.deepEqual(differing, [])
  assert.ok(retainers.every((one, index) => index === 0 || one.retained <= retainers[index - 1].retained))
})

test('object by object, the walk has what V8 has: sizes, edges, retained sizes', { skip, timeout: 300_000 }, async (t) => {
  const child = endAfter(t, fork(KINDS, [makeDirectory(t), 'numbered'], { execArgv: [] }))
  const [{ incident, before, after }] = await once(child, 'message')
  assert.deepEqual([incident.heapSnapshot.state, incident.heapSnapshot.generator], ['written', 'walk'], JSON.stringify(incident.heapSnapshot))
  const file = zlib.gunzipSync(fs.readFileSync(path.join(incident.directory, incident.heapSnapshot.file)))
  const [v8, walk] = [graphOf(JSON.parse(fs.readFileSync(before))), graphOf(JSON.parse(file))]
  // What died in between is in neither of the two at the end; V8 numbers objects once.
  const still = new Set(JSON.parse(fs.readFileSync(after), (key, value) => ['edges', 'strings', 'locations'].includes(key) ? undefined : value).nodes)
  const walked = new Map()
  for (let node = 0; node < walk.count; node++) if (walk.isReal(node)) walked.set(walk.id(node), node)
  const pairs = []
  const of = { objects: 0, sameSize: 0, edges: 0, sameEdge: 0, sameRetained: 0 }
  const [missing, missingEdges] = [new Map(), new Map()]
  const count = (map, key) => map.set(key, (map.get(key) ?? 0) + 1)
  const most = (map) => [...map].sort((a, b) => b[1] - a[1]).slice(0, 20).map(([key, times]) => `${key} ${times}`).join('; ')
  for (let node = 0; node < v8.count; node++) {
    if (!v8.isReal(node) || !still.has(v8.id(node))) continue
    of.objects++
    const there = walked.get(v8.id(node))
    if (there !== undefined) pairs.push([node, there])
    else count(missing, v8.className(node))
  }
  const retained = [retainedSizes(v8), retainedSizes(walk)]
  for (const [node, there] of pairs) {
    if (v8.size(node) === walk.size(there)) of.sameSize++
    if (Math.abs(retained[0][node] - retained[1][there]) <= Math.max(64, retained[0][node] * 0.02)) of.sameRetained++
    const targets = new Set(walk.targets.slice(walk.first[there], walk.first[there + 1]))
    for (let edge = v8.first[node]; edge < v8.first[node + 1]; edge++) {
      const to = walked.get(v8.id(v8.targets[edge]))
      if (to === undefined || !v8.isReal(v8.targets[edge])) continue
      of.edges++
      if (targets.has(to)) of.sameEdge++
      else count(missingEdges, `${v8.className(node)} -> ${v8.className(v8.targets[edge])}`)
    }
  }
  const share = { found: pairs.length / of.objects, size: of.sameSize / pairs.length, edges: of.sameEdge / of.edges, retained: of.sameRetained / pairs.length }
  t.diagnostic(`${process.version}: ${of.objects} objects, ${of.edges} edges: ${JSON.stringify(share)}`)
  t.diagnostic(`not found: ${most(missing)}; edges: ${most(missingEdges)}`)
  assert.ok(of.objects > 300_000 && of.edges > 1_000_000)
  assert.ok(share.found >= 0.999, `${of.objects - pairs.length} of ${of.objects} objects not found`)
  assert.ok(share.size >= 0.99, `${share.size} of the sizes`)
  assert.ok(share.edges >= 0.99, `${share.edges} of the edges`)
  assert.ok(share.retained >= 0.98, `${share.retained} of the retained sizes`)
})

test('a binary in which a function of V8 is missing is refused, and the rest works', { skip, timeout: 120_000 }, async (t) => {
  const binary = path.join(makeDirectory(t), 'node')
  const bytes = fs.readFileSync(process.execPath)
  let renamed = 0
  for (let at = bytes.indexOf(RENAMED); at >= 0; at = bytes.indexOf(RENAMED, at + 1)) {
    bytes.write('X', at + 4)
    renamed++
  }
  assert.ok(renamed > 0)
  fs.writeFileSync(binary, bytes, { mode: 0o755 })

  const { incident, capabilities } = await capture(t, binary)

  assert.equal(capabilities.heapWalk.state, 'off')
  assert.match(capabilities.heapWalk.because, /no symbol _ZN2v88internal26CombinedHeapObjectIterator/)
  assert.equal(incident.shadow.state, 'answered')
  assert.ok(incident.floor.heapUsed > 1e6)
  assert.equal(incident.walk, undefined)
})

const noStrip = spawnSync('strip', ['--version']).status !== 0

test('a stripped binary is walked where its functions are exported, and refused elsewhere', { skip: skip || noStrip, timeout: 120_000 }, async (t) => {
  const binary = path.join(makeDirectory(t), 'node')
  assert.equal(spawnSync('strip', ['-s', '-o', binary, process.execPath]).status, 0)

  const { incident, capabilities } = await capture(t, binary)

  assert.equal(incident.shadow.state, 'answered')
  t.diagnostic(`${process.version}: ${capabilities.heapWalk.state}, ${capabilities.heapWalk.because}`)
  if (capabilities.heapWalk.state === 'native') assert.equal(incident.walk.state, 'answered')
  else assert.match(capabilities.heapWalk.because, /no symbol .*: stripped, or another V8/)
})

async function capture (t, execPath) {
  const child = fork(CAPTURES, [makeDirectory(t)], { execPath, execArgv: [] })
  endAfter(t, child)
  await once(child, 'message')
  child.send({ capture: { floor: true } })
  const [answer] = await once(child, 'message')
  return answer
}

/** Objects and their bytes by class, of what is really in the heap. */
function read ({ snapshot: { meta }, nodes, strings }) {
  const field = (name) => meta.node_fields.indexOf(name)
  const [type, name, id, size] = ['type', 'name', 'id', 'self_size'].map(field)
  const types = meta.node_types[0]
  const classes = new Map()
  const bytes = new Map()
  for (let at = 0; at < nodes.length; at += meta.node_fields.length) {
    // What V8 makes up for its tree has even numbers; external memory is told apart by its type.
    if (nodes[at + id] % 2 === 0 || types[nodes[at + type]] === 'synthetic' || types[nodes[at + type]] === 'native') continue
    if (!['object', 'regexp'].includes(types[nodes[at + type]])) continue
    const key = types[nodes[at + type]] === 'regexp' ? 'RegExp' : strings[nodes[at + name]]
    classes.set(key, (classes.get(key) ?? 0) + 1)
    bytes.set(key, (bytes.get(key) ?? 0) + nodes[at + size])
  }
  return { classes, bytes }
}
