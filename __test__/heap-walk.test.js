'use strict'

// The walk over the heap in shadows: what it finds, what it says of leaks, and where it is refused.

const assert = require('node:assert/strict')
const fs = require('node:fs')
const path = require('node:path')
const { test } = require('node:test')
const { fork } = require('node:child_process')
const { once } = require('node:events')
const { endAfter, makeDirectory, startProbe } = require('./helper.js')

const WALKED = path.join(__dirname, 'fixtures', 'walked.js')
const skip = process.platform !== 'linux' || process.arch !== 'x64' || process.report.getReport().header.glibcVersionRuntime === undefined

/** Runs the fixture; what its two walks found. */
async function walk (t, env = {}) {
  const child = fork(WALKED, [makeDirectory(t)], { execArgv: [], env: { ...process.env, ...env } })
  endAfter(t, child)
  const [told] = await once(child, 'message')
  return told
}

test('a walk tells what is alive and what holds it', { skip, timeout: 120_000 }, async (t) => {
  const { incidents, analyses, capability } = await walk(t)

  assert.equal(capability.state, 'native')
  for (const { walk } of incidents) assert.equal(walk.state, 'answered', JSON.stringify(walk))
  const [first, second] = analyses
  const holder = (analysis, text) => analysis.holders.find((one) => one.path.join(' > ').includes(text))

  const cache = holder(second, 'cache: Map > []: Entry')
  assert.deepEqual([cache.count, cache.grown, cache.kind, cache.class], [600, 100, 'collection', 'Entry'])
  assert.equal(cache.culprit.package, 'some-cache')
  assert.match(cache.culprit.file, /node_modules\/some-cache\/index\.js$/)
  assert.equal(holder(first, 'cache: Map > []: Entry').signature, cache.signature)
  assert.ok(cache.bytes >= 600 * 80, `${cache.bytes} bytes`)

  const listeners = holder(second, '_events: Object > tick: Array > []: function')
  assert.deepEqual([listeners.count, listeners.grown, listeners.kind], [300, 100, 'listener'])
  assert.equal(listeners.culprit.line, 32)
  assert.equal(listeners.culprit.file, WALKED)

  const promises = second.holders.find(({ kind, path }) => kind === 'closure' && path.join().includes('never: Promise'))
  assert.equal(promises.count, 199, 'the first of 200 reactions is the beginning of the chain')
  const timers = second.holders.find(({ kind }) => kind === 'timer')
  assert.equal(timers.class, 'Timeout')
  assert.equal(timers.culprit.file, WALKED)
  const buffers = holder(second, 'buffers: Array')
  assert.deepEqual([buffers.kind, buffers.offHeap], ['native', 20 * 100_000])
  const list = holder(second, 'next: Link')
  assert.deepEqual([list.count, list.kind], [999, 'collection'])
})

test('weak references hold nothing, and values of a weak map live as long as their keys', { skip, timeout: 120_000 }, async (t) => {
  const { analyses: [, analysis] } = await walk(t)

  const count = (name) => analysis.classes.find((one) => one.class === name)?.count ?? 0
  assert.equal(count('OnlyWeak'), 0)
  assert.equal(count('ByLiveKey'), 50)
  assert.equal(count('ByDeadKey'), 0)
  assert.equal(count('InChain'), 20_000, 'each is alive because the one before is')
  assert.equal(count('Entry'), 600)
})

test('much compiled code does not make a walk fail its test', { skip, timeout: 120_000 }, async (t) => {
  const child = endAfter(t, fork(path.join(__dirname, 'fixtures', 'optimized.js'), [makeDirectory(t)], { execArgv: ['--allow-natives-syntax'] }))
  const [{ incident, analysis }] = await once(child, 'message')

  assert.equal(incident.walk.state, 'answered', JSON.stringify(incident.walk))
  const code = analysis.classes.find((one) => one.class === '(Code)')
  assert.ok(code?.count > 1_400, `${code?.count} of 1 500 optimized functions`)
  assert.ok(analysis.liveObjects > analysis.objects * 0.99 - 2_500, `${analysis.liveObjects} of ${analysis.objects}`)
})

test('a walk can be switched off', { skip, timeout: 60_000 }, async (t) => {
  const probe = startProbe(t, { directory: makeDirectory(t), without: ['heap-walk'] })

  const incident = await probe.capture({ floor: true })

  assert.equal(incident.shadow.state, 'answered')
  assert.equal(incident.walk, undefined)
  assert.match(probe.report().process.capabilities.heapWalk.because, /switched off/)
  assert.ok(!fs.existsSync(path.join(incident.directory, 'analysis.json')))
})
