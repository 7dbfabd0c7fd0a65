'use strict'

// The clock of everything that is measured here. `performance.now()` is the same clock, but loading `node:perf_hooks`, which most servers
// do without, takes nearly a millisecond of an application's start; and it is the application's to replace.

const { hrtime } = process

/** Milliseconds since some moment; never goes back. */
function now () {
  const [seconds, nanoseconds] = hrtime()
  return seconds * 1e3 + nanoseconds / 1e6
}

module.exports = { now }
