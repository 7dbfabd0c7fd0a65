'use strict'

// Worker threads beside the app, and a probe inside one: a freeze works or is refused with its reason, and nothing hangs.

const assert = require('node:assert/strict')
const { once } = require('node:events')
const path = require('node:path')
const { test } = require('node:test')
const { Worker } = require('node:worker_threads')
const { cleanup, makeDirectory, startProbe } = require('./helper.js')

const skip = process.platform !== 'linux' || process.report.getReport().header.glibcVersionRuntime === undefined
const INDEX = JSON.stringify(path.join(__dirname, '..', 'index.js'))

test('a worker that waits does not disturb a freeze', { skip, timeout: 60_000 }, async (t) => {
  const probe = startProbe(t, { directory: makeDirectory(t) })
  await worker(t, "require('node:worker_threads').parentPort.on('message', () => {}).postMessage('ready')")

  const incident = await probe.capture({ heapSnapshot: true })

  assert.equal(incident.heapSnapshot.by, 'shadow', JSON.stringify(incident.heapSnapshot))
  assert.ok(incident.heapSnapshot.countsMatch)
})

test('a worker that never rests has the freeze refused, and is named', { skip, timeout: 60_000 }, async (t) => {
  const probe = startProbe(t, { directory: makeDirectory(t) })
  await worker(t, "require('node:worker_threads').parentPort.postMessage('ready'); for (;;);")

  const incident = await probe.capture({ floor: true })

  assert.equal(incident.shadow.state, 'failed')
  assert.match(incident.shadow.because, /threads did not come to rest: \S/)
})

test('a probe inside a worker is refused with its reason', { skip, timeout: 60_000 }, async (t) => {
  const [, told] = await worker(t, `
    try {
      require(${INDEX}).start({ directory: false })
    } catch (error) {
      require('node:worker_threads').parentPort.postMessage({ code: error.code, message: error.message })
    }
  `)

  assert.equal(told.code, 'LEAKPROBE_ERR_WORKER')
  assert.match(told.message, /main thread/)
})

/** A worker that runs `code`, after its first message, and that message. */
async function worker (t, code) {
  const worker = new Worker(code, { eval: true })
  cleanup(t, () => worker.terminate())
  const [message] = await once(worker, 'message')
  return [worker, message]
}
