'use strict'

// Worker threads of the application: how many run, and how much memory their heaps take. Requests and leaks in them are not
// watched; their memory is told, and left out of what counts as native, so that a worker's heap is not taken for a native leak.

const channels = require('node:diagnostics_channel')
const clock = require('./clock')

const CHANNEL = 'worker_threads'
/** Between two readings at least, ms; asking a worker interrupts it for some microseconds. */
const READ_MS = 1000
/** For each worker that runs at least so long between two readings, ms. */
const READ_MS_PER_WORKER = 20
/** Workers that are asked; of more the number is told, and their memory is unknown. */
const MOST = 256

class Workers {
  #running = new Map()
  #started = 0
  #next = 0
  #told
  #setCapability
  #subscribed

  /** `guard` is lib/guard.js's, `setCapability(state, because)` the capability `workers`. */
  constructor ({ guard, setCapability }) {
    this.#setCapability = setCapability
    this.#subscribed = guard('workers', (message) => this.#add(message.worker), () => this.stop())
    channels.subscribe(CHANNEL, this.#subscribed)
    setCapability('native', 'no worker thread was started')
  }

  /** Asks the workers when it is time to. At each tick. */
  tick () {
    if (this.#running.size === 0 && this.#told === undefined) return
    const now = clock.now()
    if (now < this.#next) return
    this.#next = now + Math.max(READ_MS, this.#running.size * READ_MS_PER_WORKER)
    for (const [worker, about] of this.#running) {
      // It is -1 once the thread has ended; a listener of ours would be one more on the application's object.
      if (worker.threadId === -1) this.#running.delete(worker)
      else this.#ask(worker, about)
    }
    this.#tell()
  }

  /** Bytes of V8's heaps and external memory in workers, as last read. */
  get bytes () {
    let bytes = 0
    for (const { total, external } of this.#running.values()) bytes += (total ?? 0) + (external ?? 0)
    return bytes
  }

  /** Workers whose memory is not known. */
  get unread () {
    let unread = 0
    for (const { total } of this.#running.values()) if (total === undefined) unread++
    return unread
  }

  /** For `stats()`. */
  stats () {
    const read = [...this.#running.values()].filter(({ total }) => total !== undefined)
    const sum = (name) => read.reduce((bytes, about) => bytes + about[name], 0)
    return { running: this.#running.size, started: this.#started, read: read.length, heapUsed: sum('used'), heapTotal: sum('total'), external: sum('external') }
  }

  stop () {
    channels.unsubscribe(CHANNEL, this.#subscribed)
    this.#running.clear()
  }

  #add (worker) {
    this.#started++
    if (this.#running.size >= MOST) for (const old of this.#running.keys()) if (old.threadId === -1) this.#running.delete(old)
    this.#running.set(worker, { asked: this.#running.size >= MOST })
  }

  // Node.js 20 cannot ask. A worker that is stuck in native code answers late: it is not asked again meanwhile.
  #ask (worker, about) {
    if (about.asked || typeof worker.getHeapStatistics !== 'function') return
    about.asked = true
    worker.getHeapStatistics().then((heap) => {
      about.used = heap.used_heap_size
      about.total = heap.total_heap_size
      about.external = heap.external_memory
      about.asked = false
    }, () => { about.asked = false }) // it has ended, or is about to
  }

  #tell () {
    const { running, heapUsed, read } = this.stats()
    const memory = read === running
      ? `their heaps hold ${(heapUsed / 1e6).toFixed(1)} MB`
      : `the memory of ${running - read} is not known${read === 0 ? '' : `, the heaps of the others hold ${(heapUsed / 1e6).toFixed(1)} MB`}`
    const text = running === 0
      ? `none of ${this.#started} worker threads runs any more`
      : `${running} worker threads run, ${memory}; requests and leaks in them are not watched`
    if (text === this.#told) return
    this.#told = text
    this.#setCapability(read === running ? 'native' : 'fallback', text)
  }
}

module.exports = { Workers }
