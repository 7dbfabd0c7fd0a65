'use strict'

// Floors on demand: two full collections in the app's own thread once per floorIntervalMs, only while requests come in and
// never for more than floorPauseShare of the time. For where no shadow can be asked under the preset `test`, or on demand.

const timers = require('node:timers')
const v8 = require('node:v8')
const vm = require('node:vm')
const clock = require('./clock')

const { setInterval, clearInterval } = timers

/**
 * Collects while `wanted()`, until the returned function is called. `requests.started` says whether traffic came;
 * `collected()` is called right after each floor; `guard`: lib/guard.js's.
 */
function forceFloors ({ guard, requests, wanted, addPause, collected, floorIntervalMs, floorPauseShare }) {
  let collect
  let seen = requests.started
  let notBefore = 0

  function floor () {
    const now = clock.now()
    if (requests.started === seen || now < notBefore || !wanted()) return
    seen = requests.started
    collect ??= collector()
    // The first may end incremental marking, which keeps what was allocated meanwhile; the second is exact.
    collect()
    collect()
    collected()
    const pauseMs = clock.now() - now
    notBefore = now + pauseMs / floorPauseShare
    addPause(pauseMs)
  }

  const stop = () => clearInterval(interval)
  const interval = setInterval(guard('floors', floor, stop), floorIntervalMs)
  interval.unref()
  return stop
}

// The flag only decides whether contexts made while it is set get a `gc`, so it is put back at once.
function collector () {
  if (typeof globalThis.gc === 'function') return globalThis.gc
  v8.setFlagsFromString('--expose-gc')
  try {
    return vm.runInNewContext('gc')
  } finally {
    v8.setFlagsFromString('--no-expose-gc')
  }
}

module.exports = { forceFloors, collector }
