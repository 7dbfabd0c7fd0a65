'use strict'

// Whose code it was: sites of listeners, of timers and of sampled objects, told to the addon with their counts.

const clock = require('./clock')
const { ListenerSites } = require('./listener-sites')
const { Sites, STACKS_PER_SECOND } = require('./sites')
const { TimerSites } = require('./timer-sites')

/** Between two counts at least, ms. */
const COUNT_MS = 1000

const SWITCHED_OFF = 'switched off by the option `without`'

class Witnesses {
  #native
  #makeHeapSamples
  #heapSamples
  #countAt = 0

  /** Undefined where it is switched off: for lib/listeners.js and lib/timers.js. */
  listenerSites
  timerSites

  /** `without(part)` says what is switched off. */
  constructor ({ native, preset, without }) {
    this.#native = native
    const sites = new Sites((id, { what, of, stack }) => native.site(id, what, of, stack))
    const off = (name) => native.setCapability(name, 'off', SWITCHED_OFF)
    const on = (name) => native.setCapability(name, 'native', `stacks of what grows only, at most ${STACKS_PER_SECOND} a second`)

    if (without('listener-sites') || without('listener-hooks')) off('listenerSites')
    else {
      this.listenerSites = new ListenerSites(sites)
      on('listenerSites')
    }
    if (without('timer-sites') || without('timer-hooks')) off('timerSites')
    else {
      this.timerSites = new TimerSites(sites)
      on('timerSites')
    }
    if (without('heap-samples')) off('heapSamples')
    else {
      const state = (state, because) => native.setCapability('heapSamples', state, because)
      state('native', 'V8\'s sampling heap profiler, while something grows; not needed so far')
      this.#makeHeapSamples = () => new (require('./heap-samples').HeapSamples)({ native, sites, state, preset, addPause: (ms) => native.addPause(ms) })
    }
  }

  /** Something grows, or nothing does any more. */
  investigate (on) {
    if (on) this.#heapSamples ??= this.#makeHeapSamples?.()
    this.#heapSamples?.investigate(on)
  }

  /** At each tick, after listeners and timers were counted. */
  tick () {
    const now = clock.now()
    if (now < this.#countAt) return
    this.#countAt = now + COUNT_MS
    const counts = [this.listenerSites?.count(), this.timerSites?.count(), this.#heapSamples?.look()]
    const pairs = counts.flatMap((map) => map === undefined ? [] : [...map].flat())
    if (pairs.length > 0) this.#native.sites(Float64Array.from(pairs))
  }

  stop () {
    this.#heapSamples?.stop()
  }
}

module.exports = { Witnesses }
