'use strict'

const { start } = require('./lib/start')
const { analyzeHeapSnapshot, diffHeapSnapshots } = require('./lib/heap-snapshots')
const { honoRoutes } = require('./lib/routes/hono')
const { version } = require('./package.json')

module.exports.start = start
module.exports.analyzeHeapSnapshot = analyzeHeapSnapshot
module.exports.diffHeapSnapshots = diffHeapSnapshots
module.exports.honoRoutes = honoRoutes
module.exports.version = version
