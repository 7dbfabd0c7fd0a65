'use strict'

// Connections that become another protocol. Node publishes no start for them, so they are counted by a listener, but
// only beside one of the application's: a server without such a listener treats the request as an ordinary one, and a
// listener of ours would change that.

const { EventEmitter } = require('node:events')
const channels = require('node:diagnostics_channel')
const { kWatched } = require('./symbols')

const SWITCHING_PROTOCOLS = 101
const UPGRADED = 2
const EVENTS = ['upgrade', 'connect']

const { on, removeListener } = EventEmitter.prototype

/** Counts upgrades of every server that accepts a connection from now on, until `stop()`. `onServer(server)`: a new one; `guard`: lib/guard.js's. */
function watchUpgrades ({ hot, writeHeap, routes, onServer, guard }) {
  let servers = []
  let pruneAt = 64

  const onUpgrade = guard('upgrades', (request) => {
    if (writeHeap !== undefined) writeHeap()
    hot.finish(hot.begin(), routes.idOf(request, SWITCHING_PROTOCOLS), SWITCHING_PROTOCOLS, UPGRADED)
  }, stop)

  function onNewListener (event, listener) {
    if (EVENTS.includes(event) && listener !== onUpgrade && !this.listeners(event).includes(onUpgrade)) on.call(this, event, onUpgrade)
  }

  function onRemoveListener (event) {
    if (!EVENTS.includes(event)) return
    const left = this.listeners(event)
    if (left.length === 1 && left[0] === onUpgrade) removeListener.call(this, event, onUpgrade)
  }

  const onConnection = guard('upgrades', ({ socket }) => {
    const server = socket.server
    if (server && server[kWatched] !== onUpgrade) watch(server)
  }, stop)

  function watch (server) {
    // Plain net servers have no such events.
    if (typeof server.setTimeout !== 'function') return
    server[kWatched] = onUpgrade
    if (servers.length >= pruneAt) {
      servers = servers.filter((known) => known.deref() !== undefined)
      pruneAt = Math.max(64, servers.length * 2)
    }
    servers.push(new WeakRef(server))
    for (const event of EVENTS) {
      if (server.listenerCount(event) > 0) on.call(server, event, onUpgrade)
    }
    on.call(server, 'newListener', onNewListener)
    on.call(server, 'removeListener', onRemoveListener)
    onServer(server)
  }

  function stop () {
    channels.unsubscribe('net.server.socket', onConnection)
    for (const known of servers) {
      const server = known.deref()
      if (server === undefined) continue
      removeListener.call(server, 'newListener', onNewListener)
      removeListener.call(server, 'removeListener', onRemoveListener)
      for (const event of EVENTS) removeListener.call(server, event, onUpgrade)
      delete server[kWatched]
    }
    servers = []
  }

  channels.subscribe('net.server.socket', onConnection)

  return {
    /** A server that may have accepted its connections before. */
    watch (server) {
      if (server && server[kWatched] !== onUpgrade) watch(server)
    },
    stop
  }
}

module.exports = { watchUpgrades }
