'use strict'

// A server with a heap of a given size: node app.js <directory> <MB>. Does on message what the benchmark asks.

const fs = require('node:fs')
const http = require('node:http')
const { Session } = require('node:inspector')
const path = require('node:path')
const { monitorEventLoopDelay, performance } = require('node:perf_hooks')
const v8 = require('node:v8')
const { start } = require('../../index.js')

const [directory, megabytes] = process.argv.slice(2)
const MB = 1024 * 1024

class Order {
  constructor (i) {
    this.id = i
    this.name = `order ${i}`
    this.lines = [{ price: i * 1.5 }, { price: i * 2.5 }]
    this.total = () => this.lines.reduce((sum, line) => sum + line.price, i)
  }
}

// Objects, closures, strings, maps and buffers, until the heap is as large as was asked for.
const kept = []
const built = () => v8.getHeapStatistics().used_heap_size
while (built() < Number(megabytes) * MB) {
  for (let i = 0; i < 2000; i++) kept.push(new Order(kept.length))
  kept.push(new Map(Array.from({ length: 500 }, (_, i) => [`key ${i} of ${kept.length}`, i])), Buffer.alloc(16_384))
}

const probe = start({ directory, service: 'freeze', preset: 'test', floors: 'natural', triggers: false, maxIncidents: 2, maxFreezesPerHour: 10_000, maxFreezePauseMsPerHour: 600_000 })
const delay = monitorEventLoopDelay({ resolution: 5 })

const does = {
  async freeze ({ afterMs }) {
    delay.enable()
    delay.reset()
    const began = performance.now()
    const { heapSnapshot, shadow, floor } = await probe.capture({ heapSnapshot: true })
    const tookMs = performance.now() - began
    // Pages that are written to for the first time after the freeze are copied.
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, afterMs - tookMs)))
    delay.disable()
    return { state: heapSnapshot.state, by: heapSnapshot.by, because: heapSnapshot.because, pauseMs: shadow.pauseMs, parts: shadow.pauseParts, tookMs, longestDelayMs: delay.max / 1e6, heapUsed: floor?.heapUsed, bytes: heapSnapshot.bytes }
  },
  async floor () {
    const { shadow } = await probe.capture({ floor: true })
    return { state: shadow.state, pauseMs: shadow.pauseMs, parts: shadow.pauseParts }
  },
  async writeHeapSnapshot () {
    const file = path.join(directory, 'in-process.heapsnapshot')
    const before = performance.now()
    v8.writeHeapSnapshot(file)
    const pauseMs = performance.now() - before
    fs.rmSync(file)
    return { pauseMs }
  },
  async inspector () {
    const session = new Session()
    session.connect()
    let bytes = 0
    session.on('HeapProfiler.addHeapSnapshotChunk', ({ params }) => { bytes += params.chunk.length })
    const before = performance.now()
    await new Promise((resolve, reject) => session.post('HeapProfiler.takeHeapSnapshot', (error) => error ? reject(error) : resolve()))
    session.disconnect()
    return { pauseMs: performance.now() - before, bytes }
  }
}

const server = http.createServer((req, res) => res.end(String(kept[Number(req.url.slice(1)) % kept.length]?.id ?? '')))
// A connection that the server closes for being idle, at the moment when a client uses it again, fails that request: with Node's 5 s that
// happens to connections that were opened during an earlier pause. Here no request may fail for anything but the freeze.
server.keepAliveTimeout = 600_000
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port, heapUsed: built() }))
process.on('message', async ({ what, ...options }) => process.send({ what, result: await does[what](options) }))
process.on('disconnect', () => process.exit(0))
