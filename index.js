'use strict'

const { start, analyzeHeapSnapshot, diffHeapSnapshots, honoRoutes } = require('./lib/index')
const { version } = require('./package.json')

module.exports.start = start
module.exports.analyzeHeapSnapshot = analyzeHeapSnapshot
module.exports.diffHeapSnapshots = diffHeapSnapshots
module.exports.honoRoutes = honoRoutes
module.exports.version = version
