'use strict'

// A running probe: wires the watchers of lib/ to the addon, and undoes all of it in stop().

const { EventEmitter } = require('node:events')
const { IncomingMessage } = require('node:http')
const path = require('node:path')
const channels = require('node:diagnostics_channel')
const { captureOptions, checkSetRoute, checkTrack } = require('./arguments')
const { codedError, fromNative } = require('./errors')
const { gitRevision } = require('./deployment')
const { loadNative, callNative } = require('./native')
const { makeCells, writeHeapStatistics } = require('./heap-statistics')
const { HeapSpaces } = require('./heap-spaces')
const { CpuProfile } = require('./cpu-profile')
const { watchRequests } = require('./requests')
const { watchUpgrades } = require('./upgrades')
const { watchListeners } = require('./listeners')
const { watchTimers } = require('./timers')
const { startTick } = require('./tick')
const { Captures } = require('./captures')
const { createGuard } = require('./guard')
const { arrayBufferBytes, Readings } = require('./readings')
const { Running } = require('./running')
const { Workers } = require('./workers')
const { WatchedRequests } = require('./watched')
const { Witnesses } = require('./witnesses')
const { createRoutes } = require('./routes')
const { kRoute } = require('./symbols')

const findings = channels.channel('leakprobe:finding')
const incidents = channels.channel('leakprobe:incident')
const advice = channels.channel('leakprobe:restart-advised')

// A process of its own analyses what was captured.
const BIN = path.join(__dirname, '..', 'bin.js')

const FINISHED = 0
const FAILED = 3

class Probe extends EventEmitter {
  #native
  #hot
  #writeHeap
  #routes
  #captures
  #cpuProfile
  #readings
  #watched
  #witnesses
  #workers
  /** Routes of tracked jobs that run, by handle. */
  #jobs = new Map()
  #onStop
  #undo = []

  /**
   * `options` are complete (lib/options.js); `onStop` is called once; `capability` is one that the caller knows of:
   * name, state, because. Throws a coded error when it cannot start.
   */
  constructor (options, onStop, capability) {
    super()
    this.#onStop = onStop
    const { NativeProbe } = loadNative()
    const cells = makeCells()
    const native = this.#native = callNative(() =>
      new NativeProbe(nativeOptions(options), cells, (kind, json) => this.#onEvent(kind, json)))
    if (!native.heapNative) this.#writeHeap = () => writeHeapStatistics(cells)
    try {
      native.setCapability('native', 'native', `the addon for ${process.platform}-${process.arch}`)
      if (capability !== undefined) native.setCapability(...capability)
      this.#watch(native, options)
    } catch (error) {
      this.#stop()
      throw error
    }
  }

  /** Counters, routes, readings of the process, the probe's own cost. */
  stats () {
    const stats = JSON.parse(this.#call((native) => native.stats()))
    return { ...stats, handles: this.#readings.handlesByType, workers: this.#workers.stats() }
  }

  /** What leaks, by route. */
  report () {
    return JSON.parse(this.#call((native) => native.report()))
  }

  /** Writes an incident; resolves with it when it is complete on disk, heap snapshot included. */
  async capture (options) {
    const { heapSnapshot, floor, reason } = captureOptions(options)
    const id = this.#call((native) => native.capture(reason, heapSnapshot, floor))
    return this.#captures.completed(id)
  }

  /** Runs `work` as one request of the route `name`; returns what it returns, throws what it throws. */
  track (name, work) {
    checkTrack(name, work)
    if (this.#native === undefined) return work()
    const route = this.#routes.idOfName(name)
    const handle = this.#begin()
    if (handle >= 0) this.#jobs.set(handle, route)
    let result
    try {
      result = work()
    } catch (error) {
      this.#finish(handle, route, FAILED)
      throw error
    }
    if (typeof result?.then !== 'function') {
      this.#finish(handle, route, FINISHED)
      return result
    }
    const end = (outcome) => {
      this.#finish(handle, route, outcome)
      if (promise instanceof Promise) this.#watched?.ended(promise, route)
    }
    // Not a constant: what has a `then` need not be a promise, and may call at once.
    let promise
    promise = result.then((value) => {
      end(FINISHED)
      return value
    }, (error) => {
      end(FAILED)
      throw error
    })
    return promise
  }

  /** Names the route of a request; wins over every other source. Also takes fastify's request and koa's context. */
  setRoute (request, name) {
    checkSetRoute(request, name)
    rawRequest(request)[kRoute] = { name }
  }

  /** Undoes everything; the last report is written. Again: nothing. */
  async stop () {
    this.#stop()
  }

  #watch (native, options) {
    const hot = this.#hot = native.hot()
    const writeHeap = this.#writeHeap
    const without = (part) => options.without.includes(part)
    const state = (name) => (state, because) => native.setCapability(name, state, because)

    const watched = this.#watched = new WatchedRequests(options.watchOneIn, options.maxRoutes, (route) => this.#routes?.nameOf(route))
    this.#undo.push(() => watched.stop())
    this.#captures = new Captures(native, watched)
    this.#undo.push(() => this.#captures.stop())
    const cpuProfile = this.#cpuProfile = new CpuProfile(native, state('cpuProfile'))
    this.#undo.push(() => cpuProfile.stop())

    const routes = this.#routes = createRoutes({ options, intern: (name) => native.route(name), setCapability: state('routes') })
    this.#undo.push(() => routes.stop())
    const guard = createGuard({ setCapability: (...capability) => native.setCapability(...capability), failed: (error) => this.#tellError(error) })
    const upgrades = watchUpgrades({ hot, writeHeap, routes, guard, onServer: () => routes.serverSeen() })
    this.#undo.push(() => upgrades.stop())
    const requests = watchRequests({
      hot,
      writeHeap,
      routes,
      watched,
      onServer: (server) => upgrades.watch(server),
      addCost: (ns, count) => native.addCost(ns, count),
      guard
    })
    this.#undo.push(() => requests.stop())

    if (!native.gcNative) this.#undo.push(require('./collections').watchCollections({ hot, writeHeap, guard }))

    const witnesses = this.#witnesses = new Witnesses({ native, preset: options.preset, without })
    this.#undo.push(() => witnesses.stop())
    const readings = this.#readings = new Readings()
    const heapSpaces = new HeapSpaces((numbers) => native.heapSpaces(numbers))
    const workers = this.#workers = new Workers({ guard, setCapability: state('workers') })
    this.#undo.push(() => workers.stop())

    const listeners = without('listener-hooks') ? undefined : watchListeners({
      full: (most) => native.setCapability('listeners', 'native', `looking at shared emitters; a lower bound, because more than ${most} are shared`),
      sites: witnesses.listenerSites
    })
    if (listeners !== undefined) this.#undo.push(() => listeners.stop())
    if (listeners !== undefined) native.setCapability('listeners', 'native', 'looking at emitters that hold several listeners for one event, and at process')
    else native.setCapability('listeners', 'off', 'switched off by the option `without`')

    const timers = watchTimers({ state: state('timers'), hooks: !without('timer-hooks'), sites: witnesses.timerSites })
    this.#undo.push(() => timers.stop())
    const running = options.triggers.length === 0 ? undefined : new Running({ native, requests, routes, jobs: this.#jobs })
    this.#undo.push(startTick({ hot, writeHeap, tickMs: options.tickMs, listeners, timers, readings, heapSpaces, workers, witnesses, running, guard }))

    // Whether shadows can be asked is known to the addon only, and later: so the way is looked up at each turn.
    if (options.floors === 'forced' || (options.preset === 'test' && options.floors !== 'natural')) {
      const { floorIntervalMs, floorPauseShare } = options
      this.#undo.push(require('./floors').forceFloors({
        guard,
        requests,
        wanted: () => native.forcesFloors,
        addPause: (ms) => native.addPause(ms),
        collected: () => native.forcedFloor(arrayBufferBytes(), Uint32Array.from(watched.count().flat())),
        floorIntervalMs,
        floorPauseShare
      }))
    }

    const onExit = () => this.#stop()
    process.on('exit', onExit)
    this.#undo.push(() => process.removeListener('exit', onExit))
  }

  #begin () {
    this.#writeHeap?.()
    return this.#hot.begin()
  }

  #finish (handle, route, outcome) {
    this.#jobs.delete(handle)
    if (this.#native === undefined) return
    this.#writeHeap?.()
    this.#hot.finish(handle, route, 0, outcome)
  }

  #call (use) {
    if (this.#native === undefined) throw codedError('LEAKPROBE_ERR_STOPPED')
    return callNative(() => use(this.#native))
  }

  #onEvent (kind, json) {
    if (this.#native === undefined) return
    const value = JSON.parse(json)
    if (kind === 'heap-snapshot') {
      // A process whose profiler runs cannot be frozen: it ends here, with what it has.
      this.#cpuProfile.stop()
      if (value.freeze) this.#captures.freeze(value.id)
      else this.#captures.takeHeapSnapshot(value.id)
    } else if (kind === 'cpu-profile') {
      this.#cpuProfile.take(value.id)
    } else if (kind === 'investigate') {
      this.#witnesses.investigate(value.on)
    } else if (kind === 'finding') {
      findings.publish(value)
      this.emit('finding', value)
    } else if (kind === 'incident') {
      this.#captures.seen(value)
      incidents.publish(value)
      this.emit('incident', value)
    } else if (kind === 'restart-advised') {
      advice.publish(value)
      this.emit('restart-advised', value)
    } else if (kind === 'error') {
      this.#tellError(fromNative(new Error(json)))
    }
  }

  #tellError (error) {
    if (this.listenerCount('error') > 0) this.emit('error', error)
  }

  #stop () {
    const native = this.#native
    if (native === undefined) return
    this.#native = undefined
    for (const undo of this.#undo.splice(0).reverse()) undo()
    native.stop()
    // The addon may hold our event callback, and so this object, for as long as its own object lives.
    this.#hot = this.#routes = this.#captures = this.#cpuProfile = this.#watched = this.#witnesses = undefined
    this.#onStop()
  }
}

// Frameworks wrap Node's request: fastify under `raw`, koa's context under `req`, hono's under `env.incoming`.
function rawRequest (request) {
  return [request, request.raw, request.req, request.env?.incoming].find((one) => one instanceof IncomingMessage) ?? request
}

// The recorder reads flat options, and what the measuring and judging need under `core`.
function nativeOptions (options) {
  const { maxRoutes, windowMs, warmUpMs, triggers, routeOf, ...rest } = options
  return JSON.stringify({
    ...rest,
    directory: options.directory || null,
    reportFile: options.reportFile || null,
    serve: options.serve || null,
    serveHeapSnapshots: options.serve !== false && options.serve.heapSnapshots,
    minFreeDiskBytes: options.minFreeDiskBytes === 'auto' ? null : options.minFreeDiskBytes,
    revision: gitRevision(),
    node: process.version,
    analyzer: options.analyzeHeapSnapshots ? [process.execPath, BIN] : [],
    core: { maxRoutes, windowMs, warmUpMs, triggers, tickMs: options.tickMs, forcedFloors: options.floors === 'forced', series: options.serve !== false }
  })
}

module.exports = { Probe }
