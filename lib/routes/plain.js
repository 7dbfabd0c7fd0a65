'use strict'

// Servers without a known router: declared templates first, then the normaliser.

const { normalisePath } = require('./normalise')
const { toPattern } = require('./pattern')

const NOT_FOUND = 404

/** Paths without any value in them, kept as they are, per method. Others are normalised each time. */
const MOST_PATHS = 1000

class PlainRoutes {
  #table
  #declared
  #known = new Map()
  #size = 0

  /** `declared`: templates such as `GET /pages/:revision`. */
  constructor (table, declared) {
    this.#table = table
    this.#declared = declared.map((route) => {
      const [method, template] = route.split(' ')
      return { method, template, pattern: toPattern(template) }
    })
  }

  idOf (request, status) {
    const path = pathOf(request)
    const method = request.method
    if (status === NOT_FOUND) return this.#idOfDeclared(method, path) ?? this.#table.notFound
    const known = this.#known.get(method)?.get(path)
    return known === undefined ? this.#learn(method, path) : known
  }

  #learn (method, path) {
    const declared = this.#idOfDeclared(method, path)
    if (declared !== undefined) return declared
    const template = normalisePath(path)
    const id = this.#table.id(method, template)
    if (template === path && this.#size < MOST_PATHS) {
      let paths = this.#known.get(method)
      if (paths === undefined) this.#known.set(method, paths = new Map())
      paths.set(path, id)
      this.#size++
    }
    return id
  }

  // HEAD is answered by what answers GET, and stays a route of its own.
  #idOfDeclared (method, path) {
    for (const route of this.#declared) {
      if (route.method !== method && !(method === 'HEAD' && route.method === 'GET')) continue
      if (route.pattern.test(path)) return this.#table.id(method, route.template)
    }
  }
}

/** Path of the request as it came, without query; routers rewrite `url` and leave `originalUrl`. */
function pathOf (request) {
  const url = request.originalUrl ?? request.url
  const end = url.indexOf('?')
  const path = end === -1 ? url : url.slice(0, end)
  // A proxy's request has the whole address.
  return path.charCodeAt(0) === 0x2f || !path.includes('://') ? path : path.replace(/^[^:]*:\/\/[^/]*/, '') || '/'
}

module.exports = { PlainRoutes, pathOf }
