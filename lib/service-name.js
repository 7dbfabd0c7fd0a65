'use strict'

// The default of the option `service`: the name in the package.json nearest to the main script.

const fs = require('node:fs')
const path = require('node:path')
const { mainScript } = require('./main-script')

/** A name fit for a folder; 'app' where there is none. */
function serviceName (script = mainScript()) {
  let directory = path.dirname(path.resolve(script))
  for (;;) {
    const name = nameIn(path.join(directory, 'package.json'))
    if (name !== undefined) return name
    const parent = path.dirname(directory)
    if (parent === directory) return 'app'
    directory = parent
  }
}

function nameIn (file) {
  try {
    const { name } = JSON.parse(fs.readFileSync(file, 'utf8'))
    const fit = String(name ?? '').replace(/^@/, '').replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '').slice(0, 100)
    return fit === '' ? undefined : fit
  } catch {
    return undefined
  }
}

module.exports = { serviceName }
