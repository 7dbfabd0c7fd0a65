'use strict'

const assert = require('node:assert/strict')
const { fork } = require('node:child_process')
const { once } = require('node:events')
const fs = require('node:fs')
const path = require('node:path')
const { test } = require('node:test')
const zlib = require('node:zlib')
const { brokenRules } = require('./format-rules.js')
const { endAfter, makeDirectory } = require('./helper.js')

const skip = process.platform !== 'linux' || process.report.getReport().header.glibcVersionRuntime === undefined
const TWICE = path.join(__dirname, 'fixtures', 'twice.js')

test('a heap snapshot by a shadow keeps the rules of the format, and has the classes of one in process', { skip, timeout: 120_000 }, async (t) => {
  const child = fork(TWICE, [makeDirectory(t)])
  endAfter(t, child)

  const [{ byShadow, inProcess }] = await once(child, 'message')
  const shadow = JSON.parse(zlib.gunzipSync(fs.readFileSync(byShadow)))
  const here = JSON.parse(fs.readFileSync(inProcess))

  assert.deepEqual(brokenRules(shadow), [])
  assert.deepEqual(brokenRules(here), [], 'the rules are those that V8 keeps')
  const [of, and] = [classes(shadow), classes(here)]
  assert.deepEqual([of.get('Order'), of.get('Line')], [and.get('Order'), and.get('Line')])
  assert.ok(of.get('Line') >= 10_000)
  const differing = [...new Set([...of.keys(), ...and.keys()])].filter((name) => (of.get(name) ?? 0) !== (and.get(name) ?? 0))
  const objects = differing.reduce((sum, name) => sum + Math.abs((of.get(name) ?? 0) - (and.get(name) ?? 0)), 0)
  // What the capture itself made between the two: promises, the incident's JSON.
  assert.ok(objects < 150, `${objects} objects differ in ${differing.join(', ')}`)
})

/** How many objects of each class, closures and arrays included. */
function classes ({ snapshot, nodes, strings }) {
  const fields = snapshot.meta.node_fields
  const types = snapshot.meta.node_types[fields.indexOf('type')]
  const counts = new Map()
  for (let at = 0; at < nodes.length; at += fields.length) {
    const type = types[nodes[at + fields.indexOf('type')]]
    if (!['object', 'closure', 'native'].includes(type)) continue
    const name = strings[nodes[at + fields.indexOf('name')]]
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return counts
}
