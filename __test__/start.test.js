'use strict'

// What an application's start pays for: only what it needs is loaded, and where that does not do, all of it is looked for.

const assert = require('node:assert/strict')
const { execFileSync } = require('node:child_process')
const path = require('node:path')
const { test } = require('node:test')

const INDEX = path.join(__dirname, '..', 'index.js')
const APP = `
const { start } = require(${JSON.stringify(INDEX)})
const probe = start({ directory: false })
const native = probe.report().process.capabilities.native.state
const files = Object.keys(require.cache).map((file) => require('node:path').relative(${JSON.stringify(path.dirname(INDEX))}, file).replaceAll('\\\\', '/'))
console.log(JSON.stringify({ native, files, builtins: process.moduleLoadList }))
probe.stop()
`

function loaded (env = {}) {
  return JSON.parse(execFileSync(process.execPath, ['-e', APP], { env: { ...process.env, ...env }, encoding: 'utf8' }))
}

test('a start loads neither the generated loader nor what is needed later', () => {
  const { native, files, builtins } = loaded()

  assert.equal(native, 'native')
  assert.ok(files.includes('lib/probe.js'), files)
  for (const file of ['binding.js', 'lib/frames.js', 'lib/heap-samples.js', 'lib/heap-snapshots.js', 'lib/json-error.js', 'lib/noop-probe.js', 'lib/routes/express.js']) assert.ok(!files.includes(file), file)
  for (const name of ['inspector', 'perf_hooks', 'worker_threads', 'fs/promises']) assert.ok(!builtins.includes(`NativeModule ${name}`), name)
})

test('with a variable that tells where the addon is, the generated loader finds it', () => {
  const { native, files } = loaded({ NAPI_RS_ENFORCE_VERSION_CHECK: '1' })

  assert.equal(native, 'native')
  assert.ok(files.includes('binding.js'))
})
