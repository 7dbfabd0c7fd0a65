'use strict'

// Says what is missing on the machine before a build fails in the middle with a message about something else.

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { SetupError } = require('./step.js')

const OLDEST_NODE = 20

function requireNode () {
  const major = Number(process.versions.node.split('.')[0])
  if (major >= OLDEST_NODE) return
  throw new SetupError(`leakprobe needs Node.js ${OLDEST_NODE} or later; this is ${process.version}`)
}

function requireNpm () {
  if (runs('npm')) return
  throw new SetupError('npm was not found on the PATH; it comes with Node.js: https://nodejs.org')
}

/** Checks for the compiler and linker that the addon's build needs. */
function requireRust (root) {
  const oldest = /^rust-version = "([^"]+)"/m.exec(fs.readFileSync(path.join(root, 'Cargo.toml'), 'utf8'))?.[1] ?? '1.88'
  if (!runs('cargo')) {
    throw new SetupError(`the addon has to be built, and cargo was not found on the PATH; install Rust ${oldest} or later: https://rustup.rs`)
  }
  const found = /^rustc (\d+)\.(\d+)/.exec(output('rustc'))
  const [major, minor] = oldest.split('.').map(Number)
  if (found && (Number(found[1]) < major || (Number(found[1]) === major && Number(found[2]) < minor))) {
    throw new SetupError(`the addon needs Rust ${oldest} or later; this is ${found[0]}; run: rustup update`)
  }
  if (!runs(process.env.CC ?? 'cc')) {
    throw new SetupError('the addon has to be linked, and no C compiler (cc) was found on the PATH; on Debian or Ubuntu: apt-get install gcc libc6-dev')
  }
}

function runs (command) {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0
}

function output (command) {
  return spawnSync(command, ['--version'], { encoding: 'utf8' }).stdout ?? ''
}

module.exports.requireNode = requireNode
module.exports.requireNpm = requireNpm
module.exports.requireRust = requireRust
