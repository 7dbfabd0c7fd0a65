'use strict'

// Requests that still run: once a second the older ones are told to the addon with their routes, so that a route whose
// requests do not end is not taken for a quick one. A request whose response has begun is not among them: a stream or a
// download lasts as long as its client wants.

const clock = require('./clock')
const { kHandle } = require('./symbols')

/** Younger requests say nothing yet, ms. */
const OLD_MS = 100
/** Between two looks at least, ms. */
const LOOK_MS = 1000
/** Share of the time that looking may take. */
const LOOK_SHARE = 0.005
/** Requests told of at most, the oldest. */
const MOST = 256

class Running {
  #native
  #requests
  #routes
  #jobs
  #next = 0
  #told = false

  /** `requests.visitOpen(visit)`: lib/requests.js's; `routes.idOf(request, status)`; `jobs`: routes of tracked jobs by handle. */
  constructor ({ native, requests, routes, jobs }) {
    this.#native = native
    this.#requests = requests
    this.#routes = routes
    this.#jobs = jobs
  }

  /** At each tick. */
  look () {
    const now = clock.now()
    if (now < this.#next) return
    const handles = this.#native.olderRequests(OLD_MS)
    const pairs = handles.length === 0 ? [] : this.#pairs(handles)
    // That there are none any more is told once.
    if (pairs.length > 0 || this.#told) this.#native.stillRunning(Int32Array.from(pairs))
    this.#told = pairs.length > 0
    this.#next = now + Math.max(LOOK_MS, (clock.now() - now) / LOOK_SHARE)
  }

  // Handle and route of each, the oldest first.
  #pairs (handles) {
    const old = new Set(handles)
    const open = new Map()
    this.#requests.visitOpen((request, socket) => {
      const handle = request[kHandle]
      if (old.has(handle) && !hasBegun(request, socket)) open.set(handle, request)
    })
    const pairs = []
    for (const handle of handles) {
      const request = open.get(handle)
      const route = request === undefined ? this.#jobs.get(handle) : this.#routes.idOf(request, 0)
      if (route !== undefined) pairs.push(handle, route)
      if (pairs.length === 2 * MOST) break
    }
    return pairs
  }
}

// Node keeps the response that is being written at its connection; without it nothing has been written.
function hasBegun (request, socket) {
  const response = socket._httpMessage
  return response?.req === request && response.headersSent === true
}

module.exports = { Running }
