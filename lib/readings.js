'use strict'

// Numbers of the app thread that are too dear for each tick: array buffers, open handles, keys of globalThis.

const clock = require('./clock')

/** Between two readings at least, ms. */
const READ_MS = 1000
/** Share of the time that one kind of reading may take: listing 100 000 keys takes 25 ms. */
const READ_SHARE = 0.001
/** Stands for "not read", or not for a while. */
const NOT_READ = -1

const { ownKeys } = Reflect
const { memoryUsage } = process
const getActiveResourcesInfo = process.getActiveResourcesInfo

/** What getActiveResourcesInfo() lists besides handles: timers, counted elsewhere, and requests such as FSReqCallback. */
const NO_HANDLE = /^(?:Timeout|Immediate)$|Req/

class Readings {
  #arrayBuffers = new Paced(arrayBufferBytes)
  #handles = new Paced(() => this.#countHandles())
  #globalKeys = new Paced(() => ownKeys(globalThis).length)
  #byType = {}

  /** Bytes of array buffers and Buffers, garbage included; -1 when that is older than a second. */
  arrayBuffers () { return this.#arrayBuffers.read() }

  /** Open handles that keep the loop alive; -1 when the count is older than a second. */
  handles () { return this.#handles.read() }

  /** Own keys of globalThis; -1 when the count is older than a second. */
  globalKeys () { return this.#globalKeys.read() }

  /** Handles by Node's name of their type, as of the last reading. */
  get handlesByType () { return this.#byType }

  #countHandles () {
    const byType = {}
    let total = 0
    for (const name of getActiveResourcesInfo.call(process)) {
      if (NO_HANDLE.test(name)) continue
      byType[name] = (byType[name] ?? 0) + 1
      total++
    }
    this.#byType = byType
    return total
  }
}

/** Bytes of array buffers and Buffers; -1 where they cannot be read: Node reads the resident set with them, from /proc. */
function arrayBufferBytes () {
  try {
    return memoryUsage().arrayBuffers
  } catch {
    return NOT_READ
  }
}

class Paced {
  #number
  #next = 0
  #value = NOT_READ
  #stale = 0

  constructor (number) {
    this.#number = number
  }

  read () {
    const now = clock.now()
    if (now < this.#next) return now < this.#stale ? this.#value : NOT_READ
    this.#value = this.#number()
    this.#next = now + Math.max(READ_MS, (clock.now() - now) / READ_SHARE)
    this.#stale = now + READ_MS
    return this.#value
  }
}

module.exports = { Readings, arrayBufferBytes, NOT_READ }
