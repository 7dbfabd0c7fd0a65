'use strict'

// An application on disk whose code makes listeners, timers and objects at known places: CommonJS, a package, a scoped
// package, an ES module, and code with a source map.

const fs = require('node:fs')
const path = require('node:path')
const { makeDirectory } = require('./helper')

const FILES = {
  'package.json': '{ "name": "shop" }',
  'app.js': `
const { EventEmitter } = require('node:events')
class Catalogue extends EventEmitter {}
const catalogue = new Catalogue().setMaxListeners(0)
exports.subscribe = function subscribe (listener = () => {}) {
  catalogue.on('change', listener) // line 6
}
exports.subscribeOnce = () => catalogue.once('sold', () => {}) // line 8
exports.healthy = () => {
  const listener = () => {}
  catalogue.on('change', listener)
  catalogue.removeListener('change', listener)
}
exports.signal = new AbortController().signal
require('node:events').setMaxListeners(0, exports.signal)
exports.abortable = function abortable () {
  exports.signal.addEventListener('abort', () => {}) // line 17
}
exports.timer = function keep () {
  return setInterval(() => {}, 7654321) // line 20
}
exports.jittered = function jittered () {
  return setTimeout(() => {}, 7000000 + Math.trunc(Math.random() * 1e6)) // line 23
}
exports.short = () => setTimeout(() => {}, 1)
exports.bus = require('leaky-bus')
exports.cache = require('@acme/cache')
exports.catalogue = catalogue
`,
  'node_modules/leaky-bus/package.json': '{ "name": "leaky-bus", "main": "lib/bus.js" }',
  'node_modules/leaky-bus/lib/bus.js': `
const bus = new (require('node:events'))().setMaxListeners(0)
exports.subscribe = (listener) => {
  bus.addListener('message', listener) // line 4
}
`,
  'node_modules/@acme/cache/package.json': '{ "name": "@acme/cache", "main": "cache.js" }',
  'node_modules/@acme/cache/cache.js': `
const kept = []
exports.put = function put (key) { // line 3
  for (let i = 0; i < 40; i++) kept.push({ key, i, list: [key, i, i], text: key + i })
}
exports.clear = () => { kept.length = 0 }
`,
  'module.mjs': `
export let emitter
export function use (one) { emitter = one }

export function fromModule () {
  emitter.on('change', () => {}) // line 6
}
`
}

/** Writes it; returns its folder. It is gone after the test. */
function makeSitedApp (t) {
  const folder = fs.realpathSync(makeDirectory(t))
  for (const [name, text] of Object.entries(FILES)) write(folder, name, text)
  return folder
}

function write (folder, name, text) {
  const file = path.join(folder, name)
  fs.mkdirSync(path.dirname(file), { recursive: true })
  fs.writeFileSync(file, text)
}

module.exports = { makeSitedApp, write }
