'use strict'

// A busy server that is frozen again and again: node server.js <directory>. It works on everything that a freeze could
// disturb: connections, child processes, the thread pool, a worker thread, WebAssembly.

const { execFile } = require('node:child_process')
const crypto = require('node:crypto')
const dns = require('node:dns')
const fs = require('node:fs')
const http = require('node:http')
const { Worker } = require('node:worker_threads')
const zlib = require('node:zlib')
const { start } = require('../../index.js')

const GAP_MS = 10
const EXPIRED_MS = 60_000

const counts = { spawned: 0, worker: 0, wasm: 0, errors: [] }
const text = Buffer.alloc(20_000, 'leak ')
let working = true

const probe = start({
  directory: process.argv[2], service: 'stress', preset: 'test', floors: 'natural', triggers: false, maxIncidents: 5
})
probe.on('error', fail)
process.on('uncaughtException', fail)
process.on('unhandledRejection', fail)

const answers = {
  '/small': (req, res) => res.end('small'),
  '/echo': (req, res) => req.pipe(res),
  '/gzip': (req, res) => zlib.gzip(text, (error, packed) => finish(res, error, packed)),
  '/hash': (req, res) => crypto.pbkdf2('secret', 'salt', 500, 32, 'sha256', (error, key) => finish(res, error, key)),
  '/file': (req, res) => fs.readFile(__filename, (error, bytes) => finish(res, error, bytes)),
  '/dns': (req, res) => dns.lookup('127.0.0.1', (error, address) => finish(res, error, address)),
  '/close': (req, res) => res.setHeader('connection', 'close').end('closed')
}
const server = http.createServer((req, res) => (answers[req.url] ?? answers['/small'])(req, res))
server.keepAliveTimeout = EXPIRED_MS

function finish (res, error, body) {
  if (error) fail(error)
  res.end(body)
}

function spawnOn () {
  if (!working) return
  execFile('true', (error) => {
    if (error) fail(error)
    counts.spawned++
    setTimeout(spawnOn, GAP_MS)
  })
}

// Adds two numbers: (module (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add))
const ADD = Buffer.from('0061736d0100000001070160027f7f017f030201000707010361646400000a09010700200020016a0b', 'hex')

async function wasmOn () {
  const { instance } = await WebAssembly.instantiate(ADD)
  while (working) {
    if (instance.exports.add(counts.wasm, 1) !== counts.wasm + 1) fail(new Error('WebAssembly cannot add any more'))
    counts.wasm++
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

function startWorker () {
  const worker = new Worker(`
    const { parentPort } = require('node:worker_threads')
    setInterval(() => { let sum = 0; for (let i = 0; i < 1e5; i++) sum += i; parentPort.postMessage(sum) }, 20)
  `, { eval: true })
  worker.on('message', () => { counts.worker++ })
  worker.on('error', fail)
  return worker
}

async function freeze (freezes) {
  const results = []
  for (let i = 0; i < freezes; i++) {
    const { shadow } = await probe.capture({ floor: true, reason: 'stress' })
    results.push({ state: shadow.state, attempts: shadow.attempts, pauseMs: shadow.pauseMs, parts: shadow.pauseParts, because: shadow.because ?? shadow.retriedBecause })
    if (i % 20 === 19) process.send({ progress: i + 1 })
    await new Promise((resolve) => setTimeout(resolve, GAP_MS))
  }
  return results
}

function held () {
  const children = fs.readdirSync('/proc/self/task').flatMap((thread) => fs.readFileSync(`/proc/self/task/${thread}/children`, 'utf8').split(' ').filter(Boolean))
  const smaps = fs.readFileSync('/proc/self/smaps', 'utf8')
  return {
    descriptors: fs.readdirSync('/proc/self/fd').length,
    children: children.length,
    // Areas that V8 and others keep out of their children: a freeze that forgot to put the mark back would leave fewer.
    unforked: smaps.match(/^VmFlags:.* dc/gm)?.length ?? 0
  }
}

function fail (error) {
  if (counts.errors.length < 20) counts.errors.push(`${error.code ?? error.name}: ${error.message}`)
}

server.listen(0, '127.0.0.1', () => {
  spawnOn()
  wasmOn().catch(fail)
  const worker = startWorker()
  process.on('message', async ({ freezes, end }) => {
    if (freezes) return process.send({ results: await freeze(freezes) })
    if (!end) return
    working = false
    await worker.terminate()
    await new Promise((resolve) => setTimeout(resolve, 500))
    const after = held()
    await probe.stop()
    process.send({ counts, before, after, cost: undefined }, () => process.exit(0))
  })
  const before = held()
  process.send({ port: server.address().port })
})
