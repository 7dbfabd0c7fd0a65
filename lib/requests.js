'use strict'

// Start, end and abort of every HTTP request, through Node's own channels. Nothing in `http` is patched, nothing is
// allocated per request, and no finished request is held: a connection holds its open requests only.
//
// Invariant: every handle that begin() gave out is finished exactly once: by the response's finish, by the
// connection's close, or never while the request is still running.

const { EventEmitter } = require('node:events')
const channels = require('node:diagnostics_channel')
const { now } = require('./clock')
const { kHandle, kOlder, kOpen } = require('./symbols')

const FINISHED = 0
const ABORTED = 1
const ENDED = -1

/** One in so many requests is timed, for the report of our own cost. A power of two. */
const SAMPLE = 64

// Node gives a server's connections an `on` of their own; ours must neither pass there nor be seen by our own hooks.
const { on, removeListener } = EventEmitter.prototype

/**
 * Watches requests until `stop()`.
 * `hot`: the addon's functions; `writeHeap`: to be called before them, undefined where they read the heap themselves;
 * `routes.idOf(request, status)`: id of a request's route; `onServer(server)`: the server of each connection, when its
 * first request comes; `watched.ended(request, route)`: each request that was answered; `guard`: lib/guard.js's.
 */
function watchRequests ({ hot, writeHeap, routes, watched, onServer, addCost, guard }) {
  const { begin, finish } = hot
  const connections = new Set()
  let started = 0
  let ended = 0
  let startNs = 0
  let startsTimed = 0

  function start (message) {
    const { request, socket } = message
    if (writeHeap !== undefined) writeHeap()
    const handle = begin()
    const open = socket[kOpen]
    if (open === undefined) adopt(socket, message.server)
    if (handle < 0) return
    request[kHandle] = handle
    if (open) request[kOlder] = open
    socket[kOpen] = request
  }

  function end (message) {
    const { request, response, socket } = message
    const handle = request[kHandle]
    if (handle === undefined || handle < 0) return
    request[kHandle] = ENDED
    if (socket[kOpen] === request && request[kOlder] === undefined) socket[kOpen] = null
    else unlink(socket, request)
    const status = response.statusCode
    const route = routes.idOf(request, status)
    if (writeHeap !== undefined) writeHeap()
    finish(handle, route, status, FINISHED)
    watched.ended(request, route)
  }

  const onStart = guard('requests', (message) => {
    if ((++started & (SAMPLE - 1)) !== 0) return start(message)
    const clock = now()
    const before = now()
    start(message)
    startNs += cost(clock, before)
    startsTimed++
  }, stop)

  const onFinish = guard('requests', (message) => {
    if ((++ended & (SAMPLE - 1)) !== 0) return end(message)
    const clock = now()
    const before = now()
    end(message)
    const endNs = cost(clock, before)
    if (startsTimed === 0) return
    addCost(Math.max(0, startNs / startsTimed + endNs), 1)
    startNs = startsTimed = 0
  }, stop)

  function adopt (socket, server) {
    socket[kOpen] = null
    connections.add(socket)
    on.call(socket, 'close', onClose)
    onServer(server)
  }

  const onClose = guard('requests', function () {
    connections.delete(this)
    for (let request = this[kOpen]; request; request = request[kOlder]) {
      const handle = request[kHandle]
      request[kHandle] = ENDED
      if (writeHeap !== undefined) writeHeap()
      finish(handle, routes.idOf(request, 0), 0, ABORTED)
    }
    this[kOpen] = null
  }, stop)

  function stop () {
    channels.unsubscribe('http.server.request.start', onStart)
    channels.unsubscribe('http.server.response.finish', onFinish)
    for (const socket of connections) {
      removeListener.call(socket, 'close', onClose)
      for (let request = socket[kOpen]; request; request = request[kOlder]) request[kHandle] = ENDED
      socket[kOpen] = undefined
    }
    connections.clear()
  }

  channels.subscribe('http.server.request.start', onStart)
  channels.subscribe('http.server.response.finish', onFinish)

  return {
    /** Requests started since the watching began. */
    get started () { return started },
    /** Calls `visit(request, socket)` for each request in flight. */
    visitOpen (visit) {
      for (const socket of connections) {
        for (let request = socket[kOpen]; request; request = request[kOlder]) visit(request, socket)
      }
    },
    stop
  }
}

// Pipelining: responses end in order, so it is the oldest, at the end of a short chain.
function unlink (socket, request) {
  const older = request[kOlder]
  request[kOlder] = undefined
  if (socket[kOpen] === request) {
    socket[kOpen] = older
    return
  }
  for (let younger = socket[kOpen]; younger; younger = younger[kOlder]) {
    if (younger[kOlder] === request) {
      younger[kOlder] = older
      return
    }
  }
}

// What the stretch since `before` took, ns, less what reading the clock takes: the stretch from `clock` to `before`.
function cost (clock, before) {
  return (now() - before - (before - clock)) * 1e6
}

module.exports = { watchRequests }
