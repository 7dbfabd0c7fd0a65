'use strict'

// The Node.js binaries that the tests run on: one of each supported major version.

const path = require('node:path')
const { installPackages } = require('./packages.js')

const MAJORS = [20, 22, 24, 26]
const FOLDER = path.join(__dirname, '..', '..', '__test__', 'nodes')

/** Whether binaries are pinned for this machine; elsewhere the tests run on the Node.js that runs them. */
const nodesArePinned = process.platform === 'linux' && process.arch === 'x64'

async function installNodes () {
  if (nodesArePinned) await installPackages(FOLDER, `installing Node.js ${MAJORS.join(', ')} for the tests`)
}

/** @returns {{ major: number, binary: string }[]} */
function nodeBinaries () {
  if (!nodesArePinned) return [{ major: Number(process.versions.node.split('.')[0]), binary: process.execPath }]
  return MAJORS.map((major) => ({ major, binary: path.join(FOLDER, 'node_modules', `node-${major}`, 'bin', 'node') }))
}

module.exports.installNodes = installNodes
module.exports.nodeBinaries = nodeBinaries
module.exports.nodesArePinned = nodesArePinned
