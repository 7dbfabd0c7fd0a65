'use strict'

// Watched requests: one in so many requests that ended is held by a WeakRef and nothing else. Those that are still there
// after a full collection are kept by somebody. Each carries a tag, by whose class it is found in a heap snapshot and by
// a walk. Of a tracked job the promise that its work returned is watched, for there is no request.
//
// Invariant: nothing here keeps a request alive beyond the next major collection, and the refs are bounded.

const { now } = require('./clock')
const { kTag } = require('./symbols')

const { max, min, random, trunc } = Math
const { deref } = WeakRef.prototype

/** The last so many watched requests of a route are looked at. */
const PER_ROUTE = 16
/** Of all routes together; what comes later is not watched. */
const MOST = 4096
/**
 * A busy route is watched more rarely, so that two watched requests are about this far apart, ms: scavenges keep what a
 * WeakRef points to, and copy it with all that hangs on it.
 */
const APART_MS = 250
const RAREST = 2 ** 20
/** Whose end is not so long ago may still be used rightly: by a log line, a callback, ms. */
const SETTLED_MS = 1000

/** Tag of a watched request; its class's name is what a heap is searched for. */
class LeakprobeWatched {
  /** `route`: its name, for people; `id`: its number, as text, because heap snapshots leave numbers out. */
  constructor (route, id) {
    this.route = route
    this.id = `${id}`
  }
}

class WatchedRequests {
  #nameOf
  #oneIn
  /** Requests until the next watched one, by route; 0 until its first. */
  #left
  #rings = new Map()

  /**
   * One in `oneIn` requests of each route is watched at most, 0: none, 1: every one; routes have ids up to `maxRoutes`,
   * and `nameOf(route)` is a route's name.
   */
  constructor (oneIn, maxRoutes, nameOf) {
    this.#nameOf = nameOf
    this.#oneIn = oneIn
    this.#left = new Int32Array(maxRoutes + 1)
  }

  /** A request, or a job with its promise, has ended. Costs a decrement, unless its turn has come. */
  ended (request, route) {
    if (--this.#left[route] <= 0) this.#turn(request, route)
  }

  /**
   * After a full collection: `[route, watched, alive]` of each route with a watched request that ended long enough ago.
   * Keeps what is alive until the current job is done.
   */
  count () {
    const counts = []
    const before = now() - SETTLED_MS
    for (const [route, ring] of this.#rings) {
      const settled = ring.refs.filter((_, index) => ring.endedAt[index] <= before)
      const alive = settled.filter((ref) => deref.call(ref) !== undefined)
      if (settled.length > 0) counts.push([route, settled.length, alive.length])
    }
    return counts
  }

  stop () {
    this.#oneIn = 0
    this.#rings.clear()
  }

  #turn (request, route) {
    const left = this.#left
    if (this.#oneIn === 0) left[route] = RAREST
    else if (left[route] < 0) left[route] = gap(this.#oneIn) - 1
    if (left[route] === 0) this.#watch(request, route)
  }

  #watch (request, route) {
    let ring = this.#rings.get(route)
    if (ring === undefined) {
      if ((this.#rings.size + 1) * PER_ROUTE > MOST) return
      ring = { refs: [], endedAt: [], next: 0, oneIn: this.#oneIn, last: -Infinity }
      this.#rings.set(route, ring)
    }
    const at = now()
    if (this.#oneIn > 1) ring.oneIn = paced(ring.oneIn, at - ring.last, this.#oneIn)
    this.#left[route] = gap(ring.oneIn)
    // A frozen one goes without.
    if (Object.isExtensible(request)) request[kTag] = new LeakprobeWatched(this.#nameOf(route), route)
    ring.refs[ring.next] = new WeakRef(request)
    ring.endedAt[ring.next] = ring.last = at
    ring.next = (ring.next + 1) % PER_ROUTE
  }
}

// At random, for traffic that repeats itself would have the same customers watched again and again; on average `oneIn`.
function gap (oneIn) {
  return 1 + trunc(random() * (2 * oneIn - 1))
}

function paced (oneIn, apartMs, least) {
  if (apartMs < APART_MS) return min(oneIn * 2, RAREST)
  return apartMs > 4 * APART_MS ? max(trunc(oneIn / 2), least) : oneIn
}

module.exports = { WatchedRequests }
