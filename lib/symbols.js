'use strict'

// Every hidden property that leakprobe puts on objects of the application. All of them live on objects that die with
// the request or the connection.

module.exports = {
  /** On a request: handle of its in-flight record, -1 once it has ended. */
  kHandle: Symbol('leakprobe.handle'),
  /** On a request: the older one that is still open on the same connection (pipelining). */
  kOlder: Symbol('leakprobe.older'),
  /** On a connection: its youngest open request, null without one. */
  kOpen: Symbol('leakprobe.open'),
  /**
   * On a request: what is known of its route. A string is a template (fastify, koa); an object has `name`, a whole
   * route name (setRoute), or is a hono request.
   */
  kRoute: Symbol('leakprobe.route'),
  /** On a koa context: the value of `_matchedRoute`. */
  kMatched: Symbol('leakprobe.matched'),
  /** On a watched request, and on the promise of a watched job: its tag. */
  kTag: Symbol('leakprobe.tag'),
  /** On a server: true once its upgrades are watched. */
  kWatched: Symbol('leakprobe.watched')
}
