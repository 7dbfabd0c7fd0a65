'use strict'

// Heap snapshots: whole, compressed, and refused where they would hurt.

const assert = require('node:assert/strict')
const fs = require('node:fs')
const path = require('node:path')
const test = require('node:test')
const zlib = require('node:zlib')
const { startProbe, makeDirectory } = require('./helper.js')

test('a heap snapshot loads as JSON with the counts that its header and the incident say', { timeout: 120_000 }, async (t) => {
  const directory = makeDirectory(t)
  const probe = startProbe(t, { directory })
  class Planted {}
  const planted = Array.from({ length: 1_234 }, () => new Planted())

  const incident = await probe.capture({ heapSnapshot: true, reason: 'planted' })

  const { heapSnapshot } = incident
  assert.equal(heapSnapshot.state, 'written')
  assert.ok(heapSnapshot.countsMatch && heapSnapshot.pauseMs > 0)
  const place = path.join(incident.directory, heapSnapshot.file)
  assert.equal(fs.statSync(place).size, heapSnapshot.compressedBytes)
  const text = zlib.gunzipSync(fs.readFileSync(place))
  assert.equal(text.length, heapSnapshot.bytes)
  const snapshot = JSON.parse(text)
  const { node_fields: nodeFields, edge_fields: edgeFields } = snapshot.snapshot.meta
  assert.equal(snapshot.nodes.length, snapshot.snapshot.node_count * nodeFields.length)
  assert.equal(snapshot.edges.length, snapshot.snapshot.edge_count * edgeFields.length)
  assert.equal(heapSnapshot.nodeCount, snapshot.snapshot.node_count)
  assert.equal(heapSnapshot.edgeCount, snapshot.snapshot.edge_count)
  assert.equal(heapSnapshot.stringCount, snapshot.strings.length)
  const name = nodeFields.indexOf('name')
  const type = nodeFields.indexOf('type')
  const object = snapshot.snapshot.meta.node_types[type].indexOf('object')
  let found = 0
  for (let i = 0; i < snapshot.nodes.length; i += nodeFields.length) {
    if (snapshot.nodes[i + type] === object && snapshot.strings[snapshot.nodes[i + name]] === 'Planted') found++
  }
  assert.ok(found >= planted.length, `${found} of ${planted.length}`)
  assert.equal(probe.stats().cost.pauseMs.max >= heapSnapshot.pauseMs, true)
})

test('captures at the same time are incidents each, and one of them has the heap snapshot', { timeout: 120_000 }, async (t) => {
  const probe = startProbe(t, { directory: makeDirectory(t) })

  const both = await Promise.all([probe.capture({ heapSnapshot: true }), probe.capture({ heapSnapshot: true })])

  assert.deepEqual(both.map(({ heapSnapshot }) => heapSnapshot.state).sort(), ['refused', 'written'])
  assert.equal(new Set(both.map(({ id }) => id)).size, 2)
})

test('without a directory a capture is refused with a code', async (t) => {
  const probe = startProbe(t, { directory: false })
  await assert.rejects(probe.capture(), { code: 'LEAKPROBE_ERR_NO_DIRECTORY' })
})
