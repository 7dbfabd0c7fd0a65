'use strict'

// hono on Node (@hono/node-server): hono keeps the matched routes in a private field of its own request, which Node's
// request knows nothing of, so the application adds one line: `app.use(honoRoutes())`, before its routes.

const { kRoute } = require('../symbols')

/** hono middleware that makes the matched route known to leakprobe. */
function honoRoutes () {
  return function leakprobe (context, next) {
    const incoming = context.env?.incoming
    // Read when the response is out: only then has hono got to the route.
    if (incoming !== undefined && incoming[kRoute] === undefined) incoming[kRoute] = context.req
    return next()
  }
}

/** Template of the route that a hono request was answered by, undefined where only middleware was. */
function honoTemplate (honoRequest) {
  const matched = matchedRoutes(honoRequest)
  const answered = matched?.[honoRequest.routeIndex]
  if (answered === undefined || (answered.method === 'ALL' && answered.path.endsWith('*'))) return undefined
  return answered.path
}

// `matchedRoutes` is deprecated in favour of a helper of hono's that reads the same by a symbol.
function matchedRoutes (honoRequest) {
  if (honoRequest.matchedRoutes !== undefined) return honoRequest.matchedRoutes
  for (let object = honoRequest; object; object = Object.getPrototypeOf(object)) {
    for (const symbol of Object.getOwnPropertySymbols(object)) {
      const result = honoRequest[symbol]
      if (Array.isArray(result?.[0])) return result[0].map(([[, route]]) => route)
    }
  }
}

module.exports = { honoRoutes, honoTemplate }
