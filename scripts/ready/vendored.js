'use strict'

const fs = require('node:fs')
const path = require('node:path')
const { COPIES } = require('../vendor.js')
const { failOn } = require('./files.js')

/** What the dashboard has of npm packages is what the lock file names. */
module.exports.name = 'copies of packages'

module.exports.run = async function (root) {
  const differ = ([from, to]) => !fs.existsSync(path.join(root, to)) || !fs.readFileSync(path.join(root, from)).equals(fs.readFileSync(path.join(root, to)))
  failOn(COPIES.filter(differ).map(([from, to]) => `${to} is not ${from}; run npm run vendor`))
}
