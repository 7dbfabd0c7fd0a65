'use strict'

// lib/ as one file, as the package has it: scripts/package/bundle.js.

const assert = require('node:assert/strict')
const fs = require('node:fs')
const path = require('node:path')
const { test } = require('node:test')
const { makeDirectory } = require('./helper.js')
const { bundle } = require('../scripts/package/bundle.js')

const LIB = path.join(__dirname, '..', 'lib')
const APART = { 'native.js': '', 'threads.js': '', 'top/index.js': '' }

function makeLib (t, files) {
  const lib = path.join(fs.realpathSync(makeDirectory(t)), 'lib')
  for (const [name, text] of Object.entries({ ...APART, ...files })) {
    fs.mkdirSync(path.dirname(path.join(lib, name)), { recursive: true })
    fs.writeFileSync(path.join(lib, name), text)
  }
  return lib
}

test('a module runs once, when it is required first, and may be in a folder', (t) => {
  const lib = makeLib(t, {
    'index.js': '\'use strict\'\n\nconst { order } = require(\'./order\')\norder.push(\'index\')\nmodule.exports = { order, here: __dirname, later: () => require(\'./deep/later\') }\n',
    'order.js': 'module.exports.order = []\nmodule.exports.order.push(\'order\')\n',
    'deep/later.js': 'const { order } = require(\'../order\')\norder.push(\'later …\')\nmodule.exports = order\n'
  })

  bundle(lib)

  const { order, here, later } = require(lib)
  assert.deepEqual([...order], ['order', 'index'])
  assert.equal(here, lib)
  assert.equal(later(), order)
  assert.equal(later(), order)
  assert.deepEqual(order, ['order', 'index', 'later …'])
  assert.deepEqual(fs.readdirSync(lib).sort(), ['index.js', 'native.js', 'threads.js', 'top'])
})

test('what would mean another place in the bundle is refused', (t) => {
  const outside = makeLib(t, { 'index.js': 'require(\'./deep/a\')\n', 'deep/a.js': 'require(\'../../package.json\')\n', '../package.json': '{}' })
  const here = makeLib(t, { 'index.js': 'require(\'./deep/a\')\n', 'deep/a.js': 'module.exports = __dirname\n' })

  assert.throws(() => bundle(outside), /lib\/deep\/a\.js: require\('\.\.\/\.\.\/package\.json'\) means another file/)
  assert.throws(() => bundle(here), /lib\/deep\/a\.js: __dirname is another folder/)
})

test('the bundle of leakprobe has every module that it loads, and gives what lib/index.js gives', (t) => {
  const lib = path.join(fs.realpathSync(makeDirectory(t)), 'lib')
  fs.cpSync(LIB, lib, { recursive: true })

  bundle(lib)

  const text = fs.readFileSync(path.join(lib, 'index.js'), 'utf8')
  const modules = new Set([...text.matchAll(/^"([\w./-]+)": function \(module\) \{$/gm)].map(([, name]) => name))
  const loads = [...text.matchAll(/\bload\("([^"]+)"\)/g)].map(([, name]) => name)
  assert.deepEqual(loads.filter((name) => !modules.has(name)), [])
  assert.ok(loads.includes('heap-samples.js') && loads.includes('routes/express.js'))
  assert.match(text, /^[\0-\xff]*$/)
  assert.deepEqual(Object.keys(require(lib)), Object.keys(require(LIB)))
})
