'use strict'

const fs = require('node:fs')
const path = require('node:path')
const { failOn, projectFiles } = require('./files.js')

const CRATES_IO = 'registry+https://github.com/rust-lang/crates.io-index'

/** Lock files name versions and checksums, never the registry or mirror that they came from on somebody's machine. */
module.exports.name = 'lock files without addresses'

module.exports.run = async function (root) {
  const problems = []
  for (const file of projectFiles(root, /(^|\/)(package-lock\.json|Cargo\.lock)$/)) {
    fs.readFileSync(path.join(root, file), 'utf8').split('\n').forEach((line, i) => {
      const npm = /^\s*"resolved": "(?:https?|git)/.test(line)
      const cargo = line.startsWith('source = ') && !line.includes(CRATES_IO)
      if (npm || cargo) problems.push(`${file}:${i + 1}: ${line.trim()}`)
    })
  }
  failOn(problems)
}
