'use strict'

// fastify 4 and 5: every instance announces itself when it is made, and gets one hook that leaves the route's template
// on Node's request. Instances of fastify 5 that were made before the probe started are seen by its tracing channel,
// as far as a request reaches its handler; those of fastify 4 are not seen.

const channels = require('node:diagnostics_channel')
const { kRoute } = require('../symbols')

const INITIALIZATION = 'fastify.initialization'
const HANDLER = 'tracing:fastify.request.handler:start'
const LOADED = /[\\/]fastify\.js$/

/** Watches until the returned function is called. */
function watchFastify () {
  let active = true

  function onInitialization ({ fastify }) {
    // Hooks cannot be taken back, so after the stop this one only passes on.
    let contextSymbol
    fastify.addHook('onRequest', function leakprobe (request, reply, done) {
      if (active) {
        contextSymbol ??= findContext(request)
        const url = contextSymbol === undefined ? request.routeOptions?.url : request[contextSymbol]?.config?.url
        if (url !== undefined) request.raw[kRoute] = url
      }
      done()
    })
  }

  function onHandler ({ request, route }) {
    if (route?.url !== undefined && request.raw[kRoute] === undefined) request.raw[kRoute] = route.url
  }

  const early = Object.keys(require.cache).some((file) => LOADED.test(file))
  channels.subscribe(INITIALIZATION, onInitialization)
  if (early) channels.subscribe(HANDLER, onHandler)
  return () => {
    active = false
    channels.unsubscribe(INITIALIZATION, onInitialization)
    if (early) channels.unsubscribe(HANDLER, onHandler)
  }
}

// `request.routeOptions` makes and freezes an object with accessors at each use; what it reads is under this symbol.
function findContext (request) {
  const url = request.routeOptions?.url
  return Object.getOwnPropertySymbols(request).find((symbol) => {
    const context = request[symbol]
    return typeof context?.handler === 'function' && typeof context.config === 'object' && context.config?.url === url
  })
}

module.exports = { watchFastify }
