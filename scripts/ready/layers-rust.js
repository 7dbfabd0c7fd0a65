'use strict'

const { execFileSync } = require('node:child_process')
const { failOn } = require('./files.js')

const NAPI_FREE = ['leakprobe-core', 'leakprobe-heap-snapshot', 'leakprobe-shadow', 'leakprobe-heap-walk', 'leakprobe-history', 'leakprobe-recorder', 'leakprobe-dashboard', 'leakprobe-server', 'leakprobe-cli']

// What each crate may use of ours, directly or through another.
const ALLOWED = {
  'leakprobe-core': [],
  'leakprobe-heap-snapshot': [],
  'leakprobe-shadow': ['leakprobe-heap-snapshot'],
  'leakprobe-heap-walk': ['leakprobe-heap-snapshot'],
  'leakprobe-history': ['leakprobe-core'],
  'leakprobe-recorder': ['leakprobe-core', 'leakprobe-heap-snapshot', 'leakprobe-heap-walk', 'leakprobe-history', 'leakprobe-shadow'],
  'leakprobe-server': ['leakprobe-core', 'leakprobe-dashboard', 'leakprobe-heap-snapshot', 'leakprobe-heap-walk', 'leakprobe-history', 'leakprobe-recorder', 'leakprobe-shadow'],
  'leakprobe-dashboard': [],
  'leakprobe-cli': ['leakprobe-core', 'leakprobe-dashboard', 'leakprobe-heap-snapshot', 'leakprobe-heap-walk', 'leakprobe-history', 'leakprobe-recorder', 'leakprobe-shadow']
}

/** Only the root package knows Node-API, and the pure crates know none of the others. */
module.exports.name = 'layers in Rust'

module.exports.run = async function (root) {
  failOn(NAPI_FREE.flatMap((crate) => {
    const args = ['tree', '--locked', '--package', crate, '--edges', 'normal', '--prefix', 'none', '--format', '{lib}|{p}']
    const used = execFileSync('cargo', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
      .split('\n').map((line) => line.split('|')[1]?.split(' ')[0]).filter((name) => name && name !== crate)
    return [...new Set(used)]
      .filter((name) => /^napi/.test(name) || (name.startsWith('leakprobe') && !ALLOWED[crate].includes(name)))
      .map((name) => `${crate} reaches ${name}`)
  }))
}
