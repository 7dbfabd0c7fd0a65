'use strict'

// The server of the soak: node server.js <directory> <ms between captures>. Nothing in it leaks; the probe is asked for everything it can do, again and
// again, and what the process holds is told once a second. The parent says { end } at the end.

const fs = require('node:fs')
const http = require('node:http')
const path = require('node:path')
const { Worker } = require('node:worker_threads')
const zlib = require('node:zlib')
const { start } = require('../../index.js')

const [, , directory, captureMs] = process.argv
const HOLD_MS = 1000
/** Every so many captures is one with a heap snapshot. */
const SNAPSHOT_EVERY = 6
const WORKER_MS = 3000
const READ_MS = 2000
/** A cache that is full soon: what it keeps is no leak. */
const CACHED = 500

const seen = { errors: [], captures: 0, failedCaptures: 0, answeredShadows: 0, snapshots: 0, reads: 0, workers: 0 }
const cache = new Map()
const text = Buffer.alloc(20_000, 'soak ')
let going = true

const probe = start({ directory, service: 'soak', preset: 'test', maxIncidents: 5, triggers: [
  { name: 'slow', when: { type: 'latency', quantile: 0.5, aboveMs: 60_000, minRequests: 20 } },
  { name: 'in-flight', when: { type: 'in-flight', above: 100_000 } }
] })
probe.on('error', fail)
process.on('uncaughtException', fail)
process.on('unhandledRejection', fail)

function fail (error) {
  if (seen.errors.length < 20) seen.errors.push(`${error.code ?? error.name}: ${error.message}`)
}

const server = http.createServer((request, response) => {
  const [, kind, id] = request.url.split('/')
  if (kind === 'cached') {
    cache.set(id, { id, at: Date.now(), text: `cached ${id}` })
    if (cache.size > CACHED) cache.delete(cache.keys().next().value)
    return response.end(cache.get(id).text)
  }
  if (kind === 'packed') return zlib.gzip(text, (error, packed) => error ? fail(error) : response.end(packed))
  if (kind === 'timed') return setTimeout(() => response.end('later'), 3)
  if (kind === 'posted') return request.pipe(response)
  if (kind === 'streamed') return stream(response, 5)
  if (kind === 'aborted') return undefined // the client goes away
  response.statusCode = kind === 'plain' ? 200 : 404
  response.end('soak')
})

function stream (response, left) {
  if (left === 0 || response.destroyed) return response.end()
  response.write(text)
  setTimeout(stream, 2, response, left - 1)
}

async function capture () {
  const heapSnapshot = seen.captures++ % SNAPSHOT_EVERY === SNAPSHOT_EVERY - 1
  try {
    const { shadow, heapSnapshot: { state } } = await probe.capture({ floor: true, heapSnapshot, reason: 'soak' })
    if (shadow.state === 'answered') seen.answeredShadows++
    if (state === 'written') seen.snapshots++
  } catch (error) {
    seen.failedCaptures++
    fail(error)
  }
}

async function churn () {
  const worker = new Worker('require("node:worker_threads").parentPort.postMessage(Array.from({ length: 1000 }, (_, i) => ({ i })).length)', { eval: true })
  await new Promise((resolve) => worker.once('error', fail).once('exit', resolve))
  seen.workers++
}

/** Repeats `work` that much after it has ended, until the end. */
async function every (ms, work) {
  while (going) {
    await new Promise((resolve) => setTimeout(resolve, ms))
    if (going) await work()
  }
}

function held () {
  const { cost, gc, workers } = probe.stats()
  const count = (folder) => fs.readdirSync(folder).length
  const children = fs.readdirSync('/proc/self/task').flatMap((thread) => fs.readFileSync(`/proc/self/task/${thread}/children`, 'utf8').split(' ').filter(Boolean))
  const memory = process.memoryUsage()
  return {
    atMs: Math.round(performance.now()),
    ownBytes: cost.bytes,
    floorBytes: gc.floor,
    externalBytes: memory.external,
    rssBytes: memory.rss,
    descriptors: count('/proc/self/fd'),
    threads: count('/proc/self/task'),
    children: children.length,
    diskBytes: diskBytes(directory),
    workers: workers.running
  }
}

function diskBytes (folder) {
  return fs.readdirSync(folder, { withFileTypes: true, recursive: true }).reduce((sum, entry) => {
    const bytes = entry.isFile() ? fs.statSync(path.join(entry.parentPath ?? entry.path, entry.name), { throwIfNoEntry: false })?.size ?? 0 : 0
    return sum + bytes
  }, 0)
}

server.listen(0, '127.0.0.1', () => {
  const working = [
    every(HOLD_MS, async () => process.send({ held: held() })),
    every(Number(captureMs), capture),
    every(WORKER_MS, churn),
    every(READ_MS, async () => {
      probe.report()
      probe.stats()
      seen.reads++
    })
  ]
  process.on('message', async ({ end }) => {
    if (!end) return
    going = false
    await Promise.all(working)
    const { cost, process: readings } = probe.stats()
    const { leaks, hypotheses, process: { capabilities } } = probe.report()
    await probe.stop()
    const threads = fs.readdirSync('/proc/self/task').map((id) => fs.readFileSync(`/proc/self/task/${id}/comm`, 'utf8').trim())
    process.send({ ended: { seen, cost, readings, leaks, hypotheses, capabilities, threadsLeft: threads.filter((name) => name.startsWith('leakprobe')) } }, () => process.exit(0))
  })
  process.send({ port: server.address().port })
})
