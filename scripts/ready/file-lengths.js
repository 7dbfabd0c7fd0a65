'use strict'

const fs = require('node:fs')
const path = require('node:path')
const { failOn, projectFiles } = require('./files.js')

const MOST_LINES = 400

/** A source file that no longer fits one head is split. */
module.exports.name = 'file lengths'

module.exports.run = async function (root) {
  const lengths = projectFiles(root, /\.(rs|js|ts)$/).map((file) => ({ file, lines: fs.readFileSync(path.join(root, file), 'utf8').split('\n').length - 1 }))
  failOn(lengths.filter(({ lines }) => lines > MOST_LINES).map(({ file, lines }) => `${file}: ${lines} lines; at most ${MOST_LINES}`))
}
