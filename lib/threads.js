'use strict'

// Whether this is a worker thread. `node:worker_threads` says so as well, and takes a millisecond to load in an application that has no use for it.

/** Node replaces what a worker must not do by functions that are marked, since version 11.10; a wrapper of another package keeps one of the two. */
function isWorkerThread () {
  return process.abort?.disabled === true || process.chdir?.disabled === true
}

module.exports = { isWorkerThread }
