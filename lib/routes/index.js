'use strict'

// Picks the route of a request: setRoute, then the option routeOf, then what the framework matched, then the path.

const { RouteTable } = require('./table')
const { PlainRoutes } = require('./plain')
const { KoaRoutes } = require('./koa')
const { watchFastify } = require('./fastify')
const { kRoute } = require('../symbols')

const OTHER = 0

/** `intern(name)` gives a route's id; `setCapability(state, because)` tells what is wrong with routeOf. */
function createRoutes ({ options, intern, setCapability }) {
  const { routeOf } = options
  const table = new RouteTable(intern, options.maxRoutes)
  const plain = new PlainRoutes(table, options.routes)
  let express
  const koa = new KoaRoutes()
  const stopFastify = watchFastify()
  let failures = 0

  function idOf (request, status) {
    try {
      return pick(request, status)
    } catch {
      // A request so odd that it has no route (a getter of the application's that throws, say) still counts.
      return OTHER
    }
  }

  function pick (request, status) {
    const known = request[kRoute]
    if (known !== undefined && known.name !== undefined) return table.idOfName(known.name, request.method)
    if (routeOf !== undefined) {
      const name = ask(request)
      if (name !== undefined) return table.idOfName(name, request.method)
    }
    if (known !== undefined) {
      const template = typeof known === 'string' ? known : require('./hono').honoTemplate(known)
      if (template !== undefined) return table.id(request.method, template)
    }
    const route = request.route
    if (route !== undefined && route !== null) {
      express ??= new (require('./express').ExpressRoutes)(table)
      const id = express.idOf(request, route)
      if (id !== undefined) return id
    }
    return plain.idOf(request, status)
  }

  function ask (request) {
    try {
      const name = routeOf(request)
      if (name === undefined) return undefined
      if (typeof name === 'string' && name !== '') return name
      failed(`it returned ${name === null ? 'null' : `a value of type ${typeof name}`}, expected a string or undefined`)
    } catch (error) {
      failed(`it threw: ${error?.message ?? error}`)
    }
  }

  function failed (why) {
    failures++
    // Told at the first, tenth, hundredth, … time: it may happen at every request.
    if (Number.isInteger(Math.log10(failures))) setCapability('fallback', `the option routeOf failed ${failures} times, the last time ${why}`)
  }

  return {
    idOf,
    idOfName: (name) => table.idOfName(name),
    nameOf: (id) => table.nameOf(id),
    /** A server was seen for the first time: its framework is loaded by now. */
    serverSeen () { koa.look() },
    stop () {
      stopFastify()
      koa.stop()
    }
  }
}

module.exports = { createRoutes }
