'use strict'

// Collections through perf_hooks, for where the addon cannot see them itself. The observer runs after the fact, so the
// heap before a collection is unknown here.

const { PerformanceObserver, constants } = require('node:perf_hooks')

const KINDS = new Map([
  [constants.NODE_PERFORMANCE_GC_MINOR, 0],
  [constants.NODE_PERFORMANCE_GC_MAJOR, 1],
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL, 2],
  [constants.NODE_PERFORMANCE_GC_WEAKCB, 3]
])

/** Tells `gc(kind, pauseMs)` of every collection until the returned function is called. `guard`: lib/guard.js's. */
function watchCollections ({ hot, writeHeap, guard }) {
  const observer = new PerformanceObserver(guard('gc', (list) => {
    if (writeHeap !== undefined) writeHeap()
    for (const entry of list.getEntries()) hot.gc(KINDS.get(entry.detail?.kind) ?? 0, entry.duration)
  }, () => observer.disconnect()))
  observer.observe({ entryTypes: ['gc'] })
  return () => observer.disconnect()
}

module.exports = { watchCollections }
