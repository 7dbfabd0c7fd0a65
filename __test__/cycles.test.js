'use strict'

// A leak detector that leaks is a scandal: starting and stopping leaves nothing.

const assert = require('node:assert/strict')
const { fork } = require('node:child_process')
const { once } = require('node:events')
const path = require('node:path')
const test = require('node:test')
const { endAfter, makeDirectory } = require('./helper.js')

const CYCLES = 200

test('200 starts and stops under load keep heap, memory, descriptors, threads and listeners flat', { timeout: 120_000, skip: process.platform !== 'linux' }, async (t) => {
  // The young generation is kept from growing: it would take more memory than what is looked for.
  const child = endAfter(t, fork(path.join(__dirname, 'fixtures', 'cycles.js'), [makeDirectory(t), CYCLES], { execArgv: ['--max-semi-space-size=1'], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }))
  const [{ before, after, seen }] = await once(child, 'message')

  assert.ok(seen >= CYCLES, `requests were recorded in ${seen} of ${CYCLES} cycles`)
  assert.equal(after.descriptors, before.descriptors)
  assert.equal(after.threads, before.threads)
  assert.equal(after.exitListeners, before.exitListeners)
  // 1 kB a cycle would be 200 kB; V8's own tables step by some 230 kB.
  assert.ok(after.heapUsed - before.heapUsed < 500_000, `heap ${before.heapUsed} -> ${after.heapUsed}`)
  // A leaked queue alone would be 1.6 MB a cycle. What remains is how malloc and V8 keep pages.
  assert.ok(after.rss - before.rss < 24e6, `rss ${before.rss} -> ${after.rss}`)
})
