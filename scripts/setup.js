'use strict'

// Makes a fresh clone ready: npm packages and the addon; with --nodes also the tests' Node.js binaries, with --benchmark
// also the benchmark's peers. Does nothing, and says nothing, when all is in place.

const path = require('node:path')
const { addonIsCurrent, buildAddon } = require('./setup/addon.js')
const { installNodes } = require('./setup/nodes.js')
const { installPackages, packagesAreCurrent } = require('./setup/packages.js')
const { SetupError } = require('./setup/step.js')
const { requireNode, requireNpm, requireRust } = require('./setup/toolchain.js')

const ROOT = path.join(__dirname, '..')

/**
 * @param {{ nodes?: boolean, benchmark?: boolean }} [also]
 * @returns {Promise<void>} rejects with a SetupError whose message can be shown as it is
 */
async function setup (also = {}) {
  requireNode()
  const buildNeeded = !addonIsCurrent(ROOT)
  if (buildNeeded) requireRust(ROOT)
  if (buildNeeded || !packagesAreCurrent(ROOT)) requireNpm()
  await installPackages(ROOT, 'installing npm packages')
  await buildAddon(ROOT)
  if (also.nodes) await installNodes()
  if (also.benchmark) await installPackages(path.join(ROOT, 'benchmark'), "installing the benchmark's peers")
}

/** Runs the set-up for a script: on failure says why and ends the process with code 1. */
async function setupOrExit (also) {
  try {
    await setup(also)
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exit(1)
  }
}

module.exports.setup = setup
module.exports.setupOrExit = setupOrExit

if (require.main === module) {
  const known = ['--nodes', '--benchmark']
  const unknown = process.argv.slice(2).find((arg) => !known.includes(arg))
  if (unknown !== undefined) {
    process.stderr.write(`unknown option ${unknown}; known are ${known.join(', ')}\n`)
    process.exit(2)
  }
  setupOrExit({ nodes: process.argv.includes('--nodes'), benchmark: process.argv.includes('--benchmark') })
}
