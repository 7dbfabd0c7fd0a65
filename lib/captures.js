'use strict'

// Incidents that somebody waits for, and the heap snapshot that only the app thread can take.

const { existsSync } = require('node:fs')
const timers = require('node:timers')
const v8 = require('node:v8')
const clock = require('./clock')
const { codedError, describe } = require('./errors')
const { mayWrite, streamHeapSnapshot } = require('./heap-snapshot-file')
const { makeShadowMain } = require('./shadow-main')

/** An incident that is not complete after this long never will be: its event was dropped or its disk hangs, ms. */
const LIMIT_MS = 600_000

const { setTimeout, clearTimeout } = timers

class Captures {
  #native
  #waiting = new Map()

  constructor (native, watched) {
    this.#native = native
    native.setShadowMain(makeShadowMain(watched, native))
  }

  /** Resolves with the incident `id` once it is complete. Events come through the loop, never before this. While somebody waits, the process stays alive. */
  completed (id) {
    return new Promise((resolve, reject) => {
      const limit = setTimeout(() => this.#settle(id)?.reject(failure('it was not complete after 10 minutes')), LIMIT_MS)
      this.#waiting.set(id, { resolve, reject, limit })
    })
  }

  /** An incident was written. */
  seen (incident) {
    if (incident.heapSnapshot?.state !== 'pending' && incident.shadow?.state !== 'pending') this.#settle(incident.id)?.resolve(incident)
  }

  /** Makes a shadow that answers for the incident; the app stands still for some milliseconds. */
  freeze (id) {
    try {
      this.#native.freeze(id)
    } catch {
      // The incident no longer waits: the addon has written the reason into it.
    }
  }

  /** Lets V8 write its heap snapshot into the addon's pipe. The app stands still meanwhile. */
  takeHeapSnapshot (id) {
    const native = this.#native
    let fd
    try {
      fd = native.beginHeapSnapshot(id)
    } catch {
      // Refused: the addon has written the reason into the incident.
      return
    }
    const before = clock.now()
    let error
    try {
      writeHeapSnapshot(fd)
    } catch (caught) {
      error = caught instanceof Error ? caught.message : describe(caught)
    }
    native.endHeapSnapshot(id, clock.now() - before, error)
  }

  stop () {
    for (const id of [...this.#waiting.keys()]) this.#settle(id).reject(failure('the probe was stopped'))
  }

  #settle (id) {
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) return undefined
    this.#waiting.delete(id)
    clearTimeout(waiting.limit)
    return waiting
  }
}

// V8 writes to a path, where one leads to the descriptor: not in a container without /proc.
function writeHeapSnapshot (fd) {
  const path = [`/proc/self/fd/${fd}`, `/dev/fd/${fd}`].find((one) => mayWrite(one) && existsSync(one))
  if (path !== undefined) v8.writeHeapSnapshot(path)
  else streamHeapSnapshot(fd)
}

function failure (reason) {
  return codedError('LEAKPROBE_ERR_CAPTURE', { reason })
}

module.exports = { Captures }
