'use strict'

// The package that people install: the files that package.json names, lib/ as one of them, and the platforms' packages as optional dependencies.

const { execFileSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { bundle } = require('./bundle.js')

const REPOSITORY_ONLY = ['devDependencies', 'files', 'napi', 'overrides', 'scripts']

/** Makes the folder `out`; `platforms` are the names of the platforms' packages. */
function makeMain (root, out, platforms) {
  const [{ files }] = JSON.parse(execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: root, encoding: 'utf8' }))
  for (const { path: file } of files) {
    fs.mkdirSync(path.dirname(path.join(out, file)), { recursive: true })
    fs.copyFileSync(path.join(root, file), path.join(out, file))
  }
  bundle(path.join(out, 'lib'))
  const about = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'))
  for (const field of REPOSITORY_ONLY) delete about[field]
  // An exact version: a binary fits the JavaScript that it was built with, and no other.
  about.optionalDependencies = Object.fromEntries(platforms.map((name) => [name, about.version]))
  fs.writeFileSync(path.join(out, 'package.json'), `${JSON.stringify(about, null, 2)}\n`)
}

module.exports.makeMain = makeMain
