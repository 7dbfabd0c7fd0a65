'use strict'

// The heartbeat on the app thread: every tickMs the counts of listeners and timers go to the addon, and now and then the
// dearer readings and the counts of sites.

const timers = require('node:timers')

/** Stands for "not counted". */
const NOT_COUNTED = -1

// Taken before timers.js wraps them: our own timer must not count as the application's.
const { setInterval, clearInterval } = timers

/**
 * Beats until the returned function is called. `listeners` and `timers` have `count()`, or are undefined; `readings` is
 * lib/readings.js's, `heapSpaces` lib/heap-spaces.js's, `workers` lib/workers.js's,
 * `witnesses` lib/witnesses.js's, `running` lib/running.js's or undefined, `guard` lib/guard.js's.
 */
function startTick ({ hot, writeHeap, tickMs, listeners, timers, readings, heapSpaces, workers, witnesses, running, guard }) {
  function beat () {
    if (writeHeap !== undefined) writeHeap()
    workers.tick()
    const arrayBuffers = readings.arrayBuffers()
    hot.tick(
      listeners === undefined ? NOT_COUNTED : listeners.count(),
      timers === undefined ? NOT_COUNTED : timers.count(),
      arrayBuffers,
      readings.handles(),
      readings.globalKeys(),
      workers.bytes,
      workers.unread
    )
    heapSpaces.look(arrayBuffers)
    witnesses.tick()
    running?.look()
  }
  const stop = () => clearInterval(interval)
  const interval = setInterval(guard('tick', beat, stop), tickMs)
  interval.unref()
  return stop
}

module.exports = { startTick }
