'use strict'

// V8's CPU profiler for some seconds, when a trigger asks for it, through an inspector session of our own: other sessions have profilers
// of their own and go on undisturbed.
//
// Invariant: one at a time; it ends with its time, with the probe, or with the process, and keeps the loop alive for nothing.

const timers = require('node:timers')
const clock = require('./clock')

/** Between two samples, µs. */
const INTERVAL_US = 1000
/** A profile whose JSON is longer than this is not kept, characters. */
const LONGEST = 64 << 20

const { setTimeout, clearTimeout } = timers

class CpuProfile {
  #native
  #session
  #id
  #timer
  #startMs

  /** `native`: the addon's probe; `state(state, because)` tells whether it works. */
  constructor (native, state) {
    this.#native = native
    if (process.features.inspector) state('native', 'V8\'s CPU profiler for some seconds, through an inspector session of its own, when a trigger asks for it')
    else state('off', 'this node has no inspector')
  }

  /** Begins one for the incident `id`; the addon says for how long, or that it is too late. */
  take (id) {
    let ms
    try {
      ms = this.#native.beginCpuProfile(id)
    } catch {
      // Refused: the addon has written the reason into the incident.
      return
    }
    const before = clock.now()
    try {
      const { Session } = require('node:inspector')
      this.#session = new Session()
      this.#session.connect()
      this.#post('Profiler.enable')
      this.#post('Profiler.setSamplingInterval', { interval: INTERVAL_US })
      this.#post('Profiler.start')
    } catch (error) {
      this.#disconnect()
      this.#native.endCpuProfile(id, null, clock.now() - before, `the profiler could not be started: ${error.message}`)
      return
    }
    this.#id = id
    this.#startMs = clock.now() - before
    this.#timer = setTimeout(() => this.#end(), ms)
    this.#timer.unref()
  }

  /** Ends the one that runs, if any. */
  stop () {
    this.#end()
  }

  #end () {
    const id = this.#id
    if (id === undefined) return
    this.#id = undefined
    clearTimeout(this.#timer)
    const before = clock.now()
    let json = null
    let why
    try {
      json = JSON.stringify(this.#post('Profiler.stop').profile)
      if (json.length > LONGEST) [json, why] = [null, `it would have ${json.length} characters`]
    } catch (error) {
      why = `the profiler gave none: ${error.message}`
    }
    this.#disconnect()
    this.#native.endCpuProfile(id, json, this.#startMs + clock.now() - before, why)
  }

  #disconnect () {
    this.#session?.disconnect()
    this.#session = undefined
  }

  // The inspector answers a session of its own thread before `post` returns.
  #post (method, parameters) {
    let failure = new Error(`${method} was not answered`)
    let answer
    this.#session.post(method, parameters, (error, result) => { [failure, answer] = [error, result] })
    if (failure !== null) throw failure
    return answer
  }
}

module.exports = { CpuProfile }
