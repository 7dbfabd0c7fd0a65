'use strict'

const fs = require('node:fs')
const path = require('node:path')
const { failOn, projectFiles } = require('./files.js')

const ENTRIES = ['index.js', 'register.js', 'bin.js']
const BINDING = 'binding.js'
const ONLY_USER_OF_BINDING = 'lib/native.js'

/** Entries use lib/, lib/ uses itself and Node.js, and one file uses the addon. */
module.exports.name = 'layers in JavaScript'

module.exports.run = async function (root) {
  const files = projectFiles(root, /^(lib\/.*|index|register|bin)\.?js$/)
  failOn(files.flatMap((file) => wrongRequires(root, file)))
}

function wrongRequires (root, file) {
  const wrong = []
  for (const [, target] of fs.readFileSync(path.join(root, file), 'utf8').matchAll(/\brequire\(\s*['"]([^'"]+)['"]\s*\)/g)) {
    if (target.startsWith('node:')) continue
    if (!target.startsWith('.')) {
      wrong.push(`${file} requires the package ${target}`)
      continue
    }
    const to = path.posix.join(path.posix.dirname(file), target)
    if (to === BINDING && file === ONLY_USER_OF_BINDING) continue
    if (to === BINDING) wrong.push(`${file} requires ${BINDING}; only ${ONLY_USER_OF_BINDING} may`)
    else if (to.startsWith('lib/') || to === 'package.json') continue
    else if (file.startsWith('lib/') || !ENTRIES.includes(to)) wrong.push(`${file} requires ${to}`)
  }
  return wrong
}
