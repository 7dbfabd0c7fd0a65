'use strict'

// koa 2 and 3 with @koa/router or koa-router: the router leaves the template on the context as `_matchedRoute`. An
// accessor on koa's own context prototype, below every application's, sees it being set.

const { kMatched, kRoute } = require('../symbols')

const CONTEXT_FILE = /[\\/]lib[\\/]context\.js$/
const PROPERTY = '_matchedRoute'

class KoaRoutes {
  #prototypes = new Set()
  #modules = 0

  /** Looks for koa among the loaded modules; cheap when nothing was loaded since the last time. */
  look () {
    const files = Object.keys(require.cache)
    if (files.length === this.#modules) return
    this.#modules = files.length
    for (const file of files) {
      if (CONTEXT_FILE.test(file)) this.#watch(require.cache[file]?.exports)
    }
  }

  stop () {
    for (const prototype of this.#prototypes) {
      if (Object.getOwnPropertyDescriptor(prototype, PROPERTY)?.set === setMatched) delete prototype[PROPERTY]
    }
    this.#prototypes.clear()
  }

  #watch (prototype) {
    if (!isKoaContext(prototype) || Object.hasOwn(prototype, PROPERTY)) return
    Object.defineProperty(prototype, PROPERTY, { get: getMatched, set: setMatched, configurable: true, enumerable: false })
    this.#prototypes.add(prototype)
  }
}

function isKoaContext (value) {
  return value !== null && typeof value === 'object' && typeof value.onerror === 'function' &&
    typeof value.throw === 'function' && typeof value.toJSON === 'function' && typeof value.assert === 'function'
}

function getMatched () {
  return this[kMatched]
}

function setMatched (matched) {
  this[kMatched] = matched
  const request = this.req
  if (request === undefined || matched === undefined || matched === null) return
  const own = typeof matched === 'string' ? matched : `(${matched.source ?? matched})`
  // Routers set it for each layer on the way; what only passes on matches anything.
  if (request[kRoute] !== undefined && MIDDLEWARE.test(own)) return
  if (typeof request[kRoute] !== 'object') request[kRoute] = mountOf(this) + own
}

const MIDDLEWARE = /(?:\(\.\*\)|\(\[\^\/\]\*\)|\{\/\*\w*\}|\/?\*\w*)$/

// koa-mount takes its prefix off `path`. Prefixes are fixed text, so what is missing of the original is the template.
function mountOf (context) {
  const { originalUrl, path } = context
  if (typeof originalUrl !== 'string' || typeof path !== 'string') return ''
  const end = originalUrl.indexOf('?')
  const original = end === -1 ? originalUrl : originalUrl.slice(0, end)
  if (original.length <= path.length || !original.endsWith(path)) return ''
  return original.slice(0, original.length - path.length)
}

module.exports = { KoaRoutes }
