'use strict'

// The probe where the addon does not load: it measures nothing, and the application runs as with one. What it would tell
// is empty, and the capability `native` says why.

const { EventEmitter } = require('node:events')
const { captureOptions, checkSetRoute, checkTrack } = require('./arguments')
const { codedError } = require('./errors')

class NoopProbe extends EventEmitter {
  #options
  #why
  #onStop
  #started = new Date()

  /** `why` is the LEAKPROBE_ERR_NATIVE that says what is missing; `onStop` is called once. */
  constructor (options, onStop, why) {
    super()
    this.#options = options
    this.#onStop = onStop
    this.#why = why
  }

  stats () {
    this.#refuseWhenStopped()
    return {
      schema: 'leakprobe.stats/1',
      uptimeMs: this.#uptimeMs(),
      routes: [],
      inFlight: { count: 0, oldestMs: 0 },
      gc: { minor: 0, major: 0, pauseMs: 0, maxPauseMs: 0 },
      memoryMap: null,
      sites: [],
      handles: {},
      workers: { running: 0, started: 0, read: 0, heapUsed: 0, heapTotal: 0, external: 0 },
      investigation: { state: 'off', because: this.#why.message, floors: 0 },
      triggers: [],
      alarms: [],
      cost: noCost()
    }
  }

  report () {
    this.#refuseWhenStopped()
    return {
      schema: 'leakprobe.report/1',
      process: {
        pid: process.pid,
        startedAt: this.#started.toISOString(),
        uptimeMs: this.#uptimeMs(),
        node: process.version,
        service: this.#options.service,
        capabilities: { native: { state: 'absent', because: this.#why.message } }
      },
      verdict: 'learning',
      leaks: [],
      slowdowns: [],
      hypotheses: [],
      routes: [],
      cost: noCost()
    }
  }

  async capture (options) {
    captureOptions(options)
    this.#refuseWhenStopped()
    throw this.#why
  }

  track (name, work) {
    checkTrack(name, work)
    return work()
  }

  setRoute (request, name) {
    checkSetRoute(request, name)
  }

  async stop () {
    this.#onStop?.()
    this.#onStop = undefined
  }

  #uptimeMs () {
    return Date.now() - this.#started.getTime()
  }

  #refuseWhenStopped () {
    if (this.#onStop === undefined) throw codedError('LEAKPROBE_ERR_STOPPED')
  }
}

function noCost () {
  return { cpuMs: 0, bytes: 0, freezes: 0, pauseMs: { max: 0, total: 0 }, dropped: {} }
}

module.exports = { NoopProbe }
