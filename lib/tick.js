'use strict'

// The heartbeat on the app thread: every tickMs the counts of listeners and timers go to the addon.

const timers = require('node:timers')

/** Stands for "not counted". */
const NOT_COUNTED = -1

// Taken before timers.js wraps them: our own timer must not count as the application's.
const { setInterval, clearInterval } = timers

/** Beats until the returned function is called. `listeners` and `timers` have `count()`, or are undefined. */
function startTick ({ hot, writeHeap, tickMs, listeners, timers }) {
  function beat () {
    if (writeHeap !== undefined) writeHeap()
    hot.tick(listeners === undefined ? NOT_COUNTED : listeners.count(), timers === undefined ? NOT_COUNTED : timers.count())
  }
  const interval = setInterval(beat, tickMs)
  interval.unref()
  return () => clearInterval(interval)
}

module.exports = { startTick }
