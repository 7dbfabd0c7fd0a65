'use strict'

const { start } = require('./lib/start')
const { honoRoutes } = require('./lib/routes/hono')
const { version } = require('./package.json')

module.exports.start = start
module.exports.honoRoutes = honoRoutes
module.exports.version = version
