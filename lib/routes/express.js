'use strict'

// express 4 and 5, and the router package alone: `request.route` is the matched route, its place in the tree of routers
// gives the template. `request.baseUrl` cannot: it has the values (`/shop/en`) and not the names (`/shop/:lang`), and it is
// reset when a handler passes on.

const { pathOf } = require('./plain')
const { findChains, rootsOf } = require('./express-tree')
const { mountTemplate, segmentsOf } = require('./express-layer')
const { normalisePath } = require('./normalise')
const { toPattern } = require('./pattern')

/** Mounts of one route told apart by base URL; more are worked out each time. */
const MOST_BASES = 64

class ExpressRoutes {
  #table
  #known = new WeakMap()

  constructor (table) {
    this.#table = table
  }

  /** Id of the request's route, undefined when `route` is none of express's. */
  idOf (request, route) {
    const known = this.#known.get(route)
    if (known === undefined) return this.#learn(request, route)
    const method = request.method
    const id = known.ids.get(method)
    if (id !== undefined) return id
    if (known.template === undefined) return this.#table.id(method, this.#templateOf(request, route, known))
    const learnt = this.#table.id(method, known.template)
    // As many as there are methods; Node's parser knows 40.
    known.ids.set(method, learnt)
    return learnt
  }

  #learn (request, route) {
    if (typeof route !== 'object' || !Array.isArray(route.stack) || route.path === undefined) return undefined
    const roots = rootsOf(request)
    const chains = findChains(roots, route)
    const known = { template: undefined, ids: new Map(), chains, bases: new Map(), own: ownPaths(route.path) }
    this.#known.set(route, known)
    const steady = chains.length === 1 && known.own.length === 1 && chains[0].layers.every((layer) => !variesOf(layer))
    const template = this.#templateOf(request, route, known)
    if (steady && known.exact) known.template = template
    return this.idOf(request, route)
  }

  #templateOf (request, route, known) {
    const path = pathOf(request)
    const base = request.baseUrl ?? ''
    let mount = known.bases.get(base)
    if (mount === undefined) {
      const found = mountOf(known, path)
      known.exact = found !== undefined
      mount = found ?? guessMount(known, path)
      if (known.exact && known.own.length === 1 && known.bases.size < MOST_BASES) known.bases.set(base, mount)
    }
    return join(mount, pickOwn(known.own, path, mount))
  }
}

// The template of the routers above: follows each chain along the path that came until one fits.
function mountOf ({ chains }, path) {
  for (const { prefix, layers } of chains) {
    let template = ''
    let rest = path
    let fits = true
    for (const one of prefix) {
      const match = toPattern(one, { prefix: true }).exec(rest)
      if (match === null) {
        fits = false
        break
      }
      template = join(template, one)
      rest = rest.slice(match[0].length) || '/'
    }
    for (const layer of fits ? layers : []) {
      const match = mountTemplate(layer, rest)
      if (match === undefined) {
        fits = false
        break
      }
      template = join(template, match.template)
      rest = rest.slice(match.length) || '/'
      if (rest[0] !== '/') rest = `/${rest}`
    }
    if (fits) return template
  }
}

// The URL was rewritten on the way, or the router is called by a function of the application's: what stands before as
// many segments as the route itself has, is normalised.
function guessMount ({ own }, path) {
  const segments = segmentsOf(path)
  const length = segmentsOf(typeof own[0].text === 'string' ? own[0].text : '').length
  return normalisePath(`/${segments.slice(0, Math.max(0, segments.length - length)).join('/')}`)
}

function ownPaths (path) {
  const list = Array.isArray(path) ? path.flat(Infinity) : [path]
  return list.map((one) => one instanceof RegExp
    ? { text: `/(${one.source})`, pattern: new RegExp(one.source, one.flags.replace(/[gy]/g, '')) }
    : { text: String(one), pattern: toPattern(String(one)) })
}

// Of several paths of one route, the first that fits the end of what came.
function pickOwn (own, path, mount) {
  if (own.length === 1) return own[0].text
  const depth = segmentsOf(mount).length
  const rest = `/${segmentsOf(path).slice(depth).join('/')}`
  const fit = own.find(({ pattern }) => pattern.test(rest))
  return fit?.text ?? own.map(({ text }) => text).join('|')
}

function join (mount, path) {
  const start = mount.endsWith('/') ? mount.slice(0, -1) : mount
  if (path === '' || path === '/') return start
  return path[0] === '/' ? start + path : `${start}/${path}`
}

// A layer mounted at several paths, or at a regular expression.
function variesOf (layer) {
  if (layer.rawPath !== undefined) return typeof layer.rawPath !== 'string'
  if (layer.matchers !== undefined) return layer.matchers.length !== 1
  return layer.regexp?.fast_slash !== true && hasAlternatives(layer)
}

// express 4 joins several paths with `|`; every single path already ends in `(?=\/|$)`.
function hasAlternatives (layer) {
  return layer.regexp.source.replaceAll('(?=\\/|$)', '').includes('|')
}

module.exports = { ExpressRoutes }
