'use strict'

// The tree of express routers: where in it a route stands.

/** Layers looked at, depth, and places of one route: bounds against trees that are built per request. */
const MOST_LAYERS = 20_000
const MOST_DEPTH = 16
const MOST_CHAINS = 16

/**
 * The trees a request's route may stand in: its application's and the server's. Each has the router's stack and, for an
 * application mounted in another, the templates of the mounts above, from the top.
 */
function rootsOf (request) {
  const roots = []
  const apps = [request.app, ...serverHandlers(request)]
  for (const app of apps) {
    const stack = stackOf(app)
    if (stack !== undefined && !roots.some((root) => root.stack === stack)) roots.push({ app, stack, prefix: mountsOf(app) })
  }
  return roots
}

/** Every place of `route`: templates of the mounted applications, then the layers down to the route's own. */
function findChains (roots, route) {
  const chains = []
  let budget = MOST_LAYERS

  function search (stack, above, depth, prefix) {
    for (const layer of stack) {
      if (--budget < 0 || chains.length >= MOST_CHAINS) return
      if (layer.route === route) chains.push({ prefix, layers: above })
      else if (layer.route === undefined && depth < MOST_DEPTH) {
        const below = stackOf(layer.handle)
        if (below !== undefined) search(below, [...above, layer], depth + 1, prefix)
      }
    }
  }

  for (const { stack, prefix } of roots) {
    search(stack, [], 0, prefix)
    if (chains.length > 0) break
  }
  return chains
}

function mountsOf (app) {
  const mounts = []
  for (let one = app; one?.parent !== undefined && mounts.length < MOST_DEPTH; one = one.parent) {
    const path = Array.isArray(one.mountpath) ? one.mountpath[0] : one.mountpath
    if (typeof path === 'string' && path !== '/' && path !== '') mounts.unshift(path)
  }
  return mounts
}

function serverHandlers (request) {
  const server = request.socket?.server
  return typeof server?.listeners === 'function' ? server.listeners('request') : []
}

// express 4 has `_router`, and a `router` that throws; express 5 has `router`.
function stackOf (handler) {
  if (typeof handler !== 'function') return undefined
  if (Array.isArray(handler.stack)) return handler.stack
  if (typeof handler.handle !== 'function' || typeof handler.set !== 'function') return undefined
  try {
    const stack = (handler._router ?? handler.router)?.stack
    return Array.isArray(stack) ? stack : undefined
  } catch {
    return undefined
  }
}

module.exports = { rootsOf, findChains }
