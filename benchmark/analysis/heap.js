'use strict'

// Builds a heap of the given MB of objects, closures, maps, arrays, strings and a few buffers, as a server has them, and writes it.

const { EventEmitter } = require('node:events')
const v8 = require('node:v8')

const [file, megabytes] = process.argv.slice(2)

class Customer {
  constructor (id) {
    this.id = id
    this.name = `customer ${id}`
    this.tags = [id, id + 1, { deep: id }]
  }
}

const cache = new Map()
const list = []
const bus = new EventEmitter().setMaxListeners(0)

function render (id) {
  const context = { id, text: `context ${id}` }
  return () => context
}

let id = 0
while (v8.getHeapStatistics().used_heap_size < Number(megabytes) * 1e6) {
  for (let i = 0; i < 2000; i++, id++) {
    cache.set(`key ${id}`, new Customer(id))
    if (id % 3 === 0) list.push({ id, list: [id] })
    if (id % 10 === 0) bus.on('tick', render(id))
    if (id % 1000 === 0) list.push(Buffer.alloc(2000))
  }
}
globalThis.kept = { cache, list, bus }
v8.writeHeapSnapshot(file)
