'use strict'

// What index.js and register.js give away. What an application's start does not need is required when it is used first: in the
// package all of lib/ is one file (scripts/package/bundle.js), so that nothing is read from disk by then.

const { start, startByRegister } = require('./start')

/** Of lib/heap-snapshots.js. */
async function analyzeHeapSnapshot (file, options) {
  return require('./heap-snapshots').analyzeHeapSnapshot(file, options)
}

/** Of lib/heap-snapshots.js. */
async function diffHeapSnapshots (files, options) {
  return require('./heap-snapshots').diffHeapSnapshots(files, options)
}

/** Of lib/routes/hono.js. */
function honoRoutes () {
  return require('./routes/hono').honoRoutes()
}

module.exports = { start, startByRegister, analyzeHeapSnapshot, diffHeapSnapshots, honoRoutes }
