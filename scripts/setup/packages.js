'use strict'

// Installs the npm packages of one folder when they are missing or not those of its lock file.

const { createHash } = require('node:crypto')
const fs = require('node:fs')
const path = require('node:path')
const { runStep } = require('./step.js')

const STAMP = path.join('node_modules', '.setup-stamp')

/** Whether the folder holds what its lock file names, as far as our own installations go. */
function packagesAreCurrent (folder) {
  return readStamp(folder) === wanted(folder)
}

/** @param {string} folder @param {string} title what the live line says */
async function installPackages (folder, title) {
  if (packagesAreCurrent(folder)) return
  await runStep({ title, command: 'npm', args: ['ci', '--no-progress', '--loglevel=http'], cwd: folder })
  fs.writeFileSync(path.join(folder, STAMP), wanted(folder))
}

function wanted (folder) {
  const hash = createHash('sha256')
  hash.update(`${process.platform} ${process.arch}\n`)
  hash.update(fs.readFileSync(path.join(folder, 'package-lock.json')))
  return hash.digest('hex')
}

function readStamp (folder) {
  try {
    return fs.readFileSync(path.join(folder, STAMP), 'utf8')
  } catch {
    return undefined
  }
}

module.exports.installPackages = installPackages
module.exports.packagesAreCurrent = packagesAreCurrent
