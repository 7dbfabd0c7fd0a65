'use strict'

// Listeners on emitters and event targets that outlive requests. Adding minus removing would be wrong, because emitters
// are collected with their listeners on; so an emitter that gets its fourth listener for one event (or its 32nd event)
// is noted by a weak reference, and its listeners are counted by looking at it. While one grows, lib/listener-sites.js
// learns of what is added to it.
//
// Invariant: the wrappers call the original first, with the same `this` and arguments, and return what it returned.

const { EventEmitter, getEventListeners } = require('node:events')
const { Growth } = require('./growth')

/** So many listeners for one event make an emitter worth noting; looked for at powers of two from here. */
const SHARED = 4
/** The same for streams: `stream.pipeline` alone puts seven listeners for one event on a response. */
const SHARED_STREAM = 16
/** From so many on it is noted whatever else was noted meanwhile. */
const CERTAINLY_SHARED = 64
/** So many events do, too. */
const MANY_EVENTS = 32
/** Emitters noted at most. */
const MOST_NOTED = 1024
/** Emitters noted between two counts: an application may make emitters with several listeners for each request. */
const MOST_NOTED_AT_ONCE = 256
/** Events of one emitter looked at per count. */
const MOST_EVENTS = 64

const NO_SITES = { active: false, changed () {}, stop () {} }

const EMITTER_METHODS = ['on', 'addListener', 'prependListener']

/**
 * Watches until `stop()`. `count()` is the number of listeners on noted emitters and on `process`.
 * `full()` is called once when more emitters are shared than can be noted. `sites`: lib/listener-sites.js, if anything.
 */
function watchListeners ({ full, sites = NO_SITES }) {
  const entries = new WeakMap()
  const noted = []
  let active = true
  let wasFull = false
  let notedNow = 0

  function note (emitter, type, size, many) {
    let entry = entries.get(emitter)
    if (entry === undefined) {
      if (size < SHARED_STREAM && isStream(emitter)) return
      if (notedNow >= MOST_NOTED_AT_ONCE && size < CERTAINLY_SHARED) return
      if (noted.length >= MOST_NOTED) prune()
      if (noted.length >= MOST_NOTED) {
        if (!wasFull) full(MOST_NOTED)
        wasFull = true
        return
      }
      notedNow++
      entry = { reference: new WeakRef(emitter), types: new Set(), many, growth: new Growth() }
      entries.set(emitter, entry)
      noted.push(entry)
    }
    if (many) entry.many = true
    if (entry.types.size < MOST_EVENTS) entry.types.add(type)
  }

  function look (entry, count) {
    const suspect = entry.growth.suspect
    if (entry.growth.look(count) !== suspect) sites.changed(entry)
  }

  function prune () {
    let kept = 0
    for (const entry of noted) {
      const emitter = entry.reference.deref()
      if (emitter === undefined) continue
      // What is destroyed or aborted is on its way to the collector; should more be added to it, it is noted again.
      if (isOver(emitter)) entries.delete(emitter)
      else noted[kept++] = entry
    }
    noted.length = kept
  }

  function lookAtEmitter (emitter, type) {
    const list = emitter._events?.[type]
    if (typeof list === 'function') {
      const events = emitter._eventsCount
      if (events >= MANY_EVENTS && (events & (events - 1)) === 0 && active) note(emitter, type, events, true)
      return
    }
    const length = list?.length
    if (length >= SHARED && (length & (length - 1)) === 0 && active) note(emitter, type, length, false)
  }

  function lookAtTarget (target, type) {
    const size = targetEvents === undefined
      ? getEventListeners(target, type).length
      : target[targetEvents]?.get(String(type))?.size
    if (size >= SHARED && (size & (size - 1)) === 0 && active) note(target, String(type), size, false)
  }

  function wrapEmitter (original) {
    return function wrapper (type, listener) {
      const result = original.apply(this, arguments)
      lookAtEmitter(this, type)
      if (sites.active) sites.added(entries.get(this), this, type, listener, wrapper)
      return result
    }
  }

  function wrapTarget (original) {
    return function wrapper (type, listener) {
      const result = original.apply(this, arguments)
      lookAtTarget(this, type)
      if (sites.active) sites.added(entries.get(this), this, String(type), listener, wrapper)
      return result
    }
  }

  const undo = [
    ...replace(EventEmitter.prototype, EMITTER_METHODS, wrapEmitter),
    ...replace(EventTarget.prototype, ['addEventListener'], wrapTarget)
  ]

  return {
    count () {
      const ofProcess = listenersOfEmitter(process)
      let total = ofProcess
      let dead = false
      notedNow = 0
      for (const entry of noted) {
        const emitter = entry.reference.deref()
        if (emitter === undefined || isOver(emitter)) {
          dead = true
          continue
        }
        const count = emitter === process ? ofProcess : listenersOf(emitter, entry.types)
        look(entry, count)
        if (emitter !== process) total += count
      }
      if (dead) prune()
      return total
    },
    stop () {
      active = false
      for (const restore of undo) restore()
      sites.stop()
      noted.length = 0
    }
  }
}

// The symbol under which Node keeps an event target's listeners, undefined where it does not look as expected.
const targetEvents = findTargetEvents()

function findTargetEvents () {
  const target = new EventTarget()
  for (let i = 0; i < 3; i++) target.addEventListener('leakprobe', () => {})
  for (let object = target; object; object = Object.getPrototypeOf(object)) {
    const symbol = Object.getOwnPropertySymbols(object).find((candidate) => candidate.description === 'kEvents')
    if (symbol !== undefined) return target[symbol]?.get?.('leakprobe')?.size === 3 ? symbol : undefined
  }
}

function isStream (emitter) {
  return emitter._readableState !== undefined || emitter._writableState !== undefined || typeof emitter.writableEnded === 'boolean'
}

function isOver (emitter) {
  return emitter.destroyed === true || emitter.aborted === true
}

function listenersOf (emitter, types) {
  if (emitter._events !== undefined && emitter._eventsCount !== undefined) return listenersOfEmitter(emitter, types)
  let total = 0
  if (targetEvents !== undefined) {
    let looked = 0
    for (const root of emitter[targetEvents]?.values() ?? []) {
      total += root.size
      if (++looked >= MOST_EVENTS) break
    }
    return total
  }
  for (const type of types) total += getEventListeners(emitter, type).length
  return total
}

// With very many events, one listener each is assumed, except for those events that made the emitter be noted.
function listenersOfEmitter (emitter, types) {
  const events = emitter._events
  if (events === undefined) return 0
  if (types !== undefined && emitter._eventsCount > MOST_EVENTS) {
    let total = emitter._eventsCount
    for (const type of types) if (Array.isArray(events[type])) total += events[type].length - 1
    return total
  }
  let total = 0
  for (const type of Reflect.ownKeys(events)) {
    const list = events[type]
    if (typeof list === 'function') total += 1
    else if (list !== undefined) total += list.length
  }
  return total
}

// One wrapper per original function (`on` and `addListener` are one and the same), with its name, length and flags.
function replace (prototype, names, wrap) {
  const wrappers = new Map()
  return names.map((name) => {
    const descriptor = Object.getOwnPropertyDescriptor(prototype, name)
    const original = descriptor.value
    if (!wrappers.has(original)) {
      const wrapper = wrap(original)
      Object.defineProperty(wrapper, 'name', { value: original.name, configurable: true })
      Object.defineProperty(wrapper, 'length', { value: original.length, configurable: true })
      wrappers.set(original, wrapper)
    }
    Object.defineProperty(prototype, name, { ...descriptor, value: wrappers.get(original) })
    return () => {
      // Somebody who wrapped ours keeps it below; it is inert from now on.
      if (prototype[name] === wrappers.get(original)) Object.defineProperty(prototype, name, descriptor)
    }
  })
}

module.exports = { watchListeners }
