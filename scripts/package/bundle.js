'use strict'

// lib/ as one file, for the package: what index.js and register.js give away is in memory once it is loaded, and reading and resolving
// some sixty files is a third of what an application's start pays. A module of it runs when it is required first, as it does in lib/.

const fs = require('node:fs')
const path = require('node:path')

const ENTRY = 'index.js'
/** Files of lib/ that bin.js and register.js run without the bundle: these stay, with what they require. */
const APART = ['native.js', 'threads.js', 'top/index.js']

const REQUIRE = /require\('(\.{1,2}(?:\/[\w./-]+)?)'\)/g

/**
 * Makes of the folder `lib` its bundle, `index.js`, and the files of which it still consists otherwise.
 *
 * Every module keeps its line breaks, and its name stands in a comment before it, so that a stack can be read.
 */
function bundle (lib) {
  const bundled = closure(lib, [ENTRY])
  const kept = closure(lib, APART)
  const modules = [...bundled].map(([name, text]) => `// lib/${name}\n${JSON.stringify(name)}: function (module) {\n${bodyOf(lib, name, text)}}`)
  for (const file of fs.readdirSync(lib, { recursive: true })) {
    const name = file.split(path.sep).join('/')
    if (name.endsWith('.js') && !kept.has(name)) fs.rmSync(path.join(lib, file))
  }
  fs.writeFileSync(path.join(lib, ENTRY), `'use strict'

// Made of lib/ in the repository by scripts/package/bundle.js.

const loaded = new Map()

function load (name) {
  let module = loaded.get(name)
  if (module === undefined) {
    module = { exports: {} }
    loaded.set(name, module)
    modules[name](module)
  }
  return module.exports
}

const modules = {
${modules.join(',\n')}
}

module.exports = load(${JSON.stringify(ENTRY)})
`)
  for (const folder of fs.readdirSync(lib, { withFileTypes: true })) {
    if (folder.isDirectory() && fs.readdirSync(path.join(lib, folder.name)).length === 0) fs.rmdirSync(path.join(lib, folder.name))
  }
}

/** Names of the files of `lib` that these require, themselves included, with their texts. */
function closure (lib, names) {
  const found = new Map()
  const add = (name) => {
    if (found.has(name)) return
    const text = fs.readFileSync(path.join(lib, name), 'utf8')
    found.set(name, text)
    for (const [, request] of text.matchAll(REQUIRE)) {
      const required = nameOf(lib, name, request)
      if (required !== undefined) add(required)
    }
  }
  names.forEach(add)
  return found
}

// Requires of lib/ go to the bundle, others to Node, which resolves them from lib/.
function bodyOf (lib, name, text) {
  const own = text.replaceAll(REQUIRE, (all, request) => {
    const required = nameOf(lib, name, request)
    if (required !== undefined) return `load(${JSON.stringify(required)})`
    if (path.dirname(name) !== '.') throw new Error(`lib/${name}: ${all} means another file from the bundle`)
    return all
  })
  if (own.includes('__dirname') && path.dirname(name) !== '.') throw new Error(`lib/${name}: __dirname is another folder in the bundle`)
  // One letter beyond Latin-1, and V8 holds the whole file with two bytes for each, as long as the process lives.
  const narrow = own.replace(/[^\0-\xff]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`)
  return narrow.replace(/^'use strict'\n+/, '')
}

/** The file of `lib` that `request` in the file `name` means; undefined where it is outside. */
function nameOf (lib, name, request) {
  const target = path.resolve(lib, path.dirname(name), request)
  if (path.relative(lib, target).startsWith('..')) return undefined
  const file = path.relative(fs.realpathSync(lib), require.resolve(target))
  return file.split(path.sep).join('/')
}

module.exports.bundle = bundle
