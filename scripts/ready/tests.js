'use strict'

const { spawnSync } = require('node:child_process')
const path = require('node:path')
const { failOn } = require('./files.js')

/** All tests, with their own output. */
module.exports.name = 'tests'

module.exports.run = async function (root) {
  const { status } = spawnSync(process.execPath, [path.join('scripts', 'test.js')], { cwd: root, stdio: 'inherit' })
  if (status !== 0) failOn(['npm test failed'])
}
