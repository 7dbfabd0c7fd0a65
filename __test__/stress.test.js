'use strict'

// A short run of `npm run stress:freeze` on the node that runs this.

const assert = require('node:assert/strict')
const { execFile } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { test } = require('node:test')
const { judge } = require('../benchmark/stress/result.js')
const { makeDirectory } = require('./helper.js')

const skip = process.platform !== 'linux' || process.report.getReport().header.glibcVersionRuntime === undefined
const STRESS = path.join(__dirname, '..', 'benchmark', 'stress.js')
const FREEZES = 60

test('sixty freezes of a busy server lose nothing', { skip, timeout: 180_000 }, async (t) => {
  const file = path.join(makeDirectory(t), 'stress.json')

  const { code, output } = await run(['--freezes', String(FREEZES), '--node', String(process.versions.node.split('.')[0]), '--json', file])

  assert.equal(code, 0, output)
  const { results } = JSON.parse(fs.readFileSync(file))
  assert.deepEqual(results.map(({ wrong }) => wrong), [[]])
  assert.equal(results[0].results.length, FREEZES)
})

test('what is lost is told', () => {
  const good = {
    results: [{ state: 'answered', attempts: 1 }],
    clients: { answered: 9, failed: 0, stuck: 0, closed: 9, leaked: 0, errors: [] },
    server: { spawned: 1, worker: 1, wasm: 1, errors: [] },
    before: { descriptors: 20, children: 0, unforked: 100 },
    after: { descriptors: 20, children: 0, unforked: 100 }
  }
  assert.deepEqual(judge(good), [])
  assert.deepEqual(judge({ ...good, clients: { ...good.clients, failed: 2, errors: ['ECONNRESET: read'] } }), ['2 requests failed: ECONNRESET: read'])
  assert.deepEqual(judge({ ...good, after: { descriptors: 21, children: 1, unforked: 10 } }), ['1 children left', '1 descriptors left', '100 areas were kept out of children before, 10 after'])
  const [first, again] = [{ state: 'answered', attempts: 1 }, { state: 'answered', attempts: 2, because: 'it ended' }]
  assert.deepEqual(judge({ ...good, results: [again, first] }), [])
  assert.deepEqual(judge({ ...good, results: [again, again, first, first] }), ['50.0 % answered at the first try: it ended'])
  assert.deepEqual(judge({ ...good, results: [{ state: 'failed', attempts: 3, because: 'it ended' }] }), ['1 freezes without an answer: it ended'])
  assert.deepEqual(judge({ ...good, server: { ...good.server, wasm: 0 } }), ['no calls of WebAssembly: nothing was shown'])
})

function run (args) {
  return new Promise((resolve) => {
    execFile(process.execPath, [STRESS, ...args], (error, stdout, stderr) => resolve({ code: error?.code ?? 0, output: stdout + stderr }))
  })
}
