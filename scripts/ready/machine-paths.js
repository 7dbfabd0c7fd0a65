'use strict'

const fs = require('node:fs')
const path = require('node:path')
const { failOn, projectFiles } = require('./files.js')

const HOMES = ['home', 'root', 'work', 'Users']
const PATTERN = new RegExp(`(?:^|[\\s"'\`(=])/(?:${HOMES.join('|')})/[\\w.-]`)

/** No file says where it lay on the machine of whoever wrote it. */
module.exports.name = 'no machine paths'

module.exports.run = async function (root) {
  const problems = []
  for (const file of projectFiles(root, /\.(md|rs|js|ts|json|toml|yml|sh)$|(^|\/)\.?[a-z]+rc$|^\.ci\//)) {
    fs.readFileSync(path.join(root, file), 'utf8').split('\n').forEach((line, i) => {
      if (PATTERN.test(line)) problems.push(`${file}:${i + 1}: ${line.trim().slice(0, 120)}`)
    })
  }
  failOn(problems)
}
