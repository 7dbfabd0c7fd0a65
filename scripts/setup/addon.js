'use strict'

// Builds the addon when it is missing or was built from other Rust sources than those present.

const { createHash } = require('node:crypto')
const fs = require('node:fs')
const path = require('node:path')
const { runStep } = require('./step.js')

const STAMP = '.setup-stamp'
const SOURCES = ['Cargo.toml', 'Cargo.lock', 'build.rs', 'src', 'crates', 'dashboard']
const SOURCE_NAME = /\.(rs|toml|lock|sql|html|css)$|^dashboard\/.*\.js$/

/** Whether the addon of this platform was built by us from the sources as they are. */
function addonIsCurrent (root) {
  return findAddon(root) !== undefined && fs.existsSync(path.join(root, 'binding.js')) && readStamp(root) === wanted(root)
}

async function buildAddon (root) {
  if (addonIsCurrent(root)) return
  await runStep({ title: 'building the addon', command: 'npm', args: ['run', 'build'], cwd: root })
  fs.writeFileSync(path.join(root, STAMP), wanted(root))
}

function findAddon (root) {
  const prefix = `leakprobe.${process.platform}-${process.arch}`
  return fs.readdirSync(root).find((name) => name.startsWith(prefix) && name.endsWith('.node'))
}

// Contents, not times: a checkout of another commit may leave any time on a file.
function wanted (root) {
  const hash = createHash('sha256')
  hash.update(JSON.stringify(JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8')).napi))
  for (const source of SOURCES) addTo(hash, root, source)
  return hash.digest('hex')
}

function addTo (hash, root, name) {
  const full = path.join(root, name)
  if (fs.statSync(full).isDirectory()) {
    for (const entry of fs.readdirSync(full).sort()) addTo(hash, root, path.posix.join(name, entry))
    return
  }
  if (!SOURCE_NAME.test(name) || /\/(tests|benches|examples)\//.test(name)) return
  hash.update(`${name}\n`)
  hash.update(fs.readFileSync(full))
}

function readStamp (root) {
  try {
    return fs.readFileSync(path.join(root, STAMP), 'utf8')
  } catch {
    return undefined
  }
}

module.exports.addonIsCurrent = addonIsCurrent
module.exports.buildAddon = buildAddon
