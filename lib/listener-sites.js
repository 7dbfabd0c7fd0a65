'use strict'

// Where the listeners of emitters that grow are added. While none grows, nothing is done; while one does, the stack of
// some of its additions is taken, and what those added is found again by looking at the emitter. How much it has grown is
// known exactly; the stacks tell in which parts that comes from which site.
//
// Invariant: a listener is known by a WeakMap only.

const { getEventListeners } = require('node:events')
const { share, stackBelow, StackSampler } = require('./sites')

/** Emitters that are looked at: those that grow, and those that did. */
const MOST_LOOKED = 16
/** Listeners looked at per count; of more, one in so many. */
const MOST_LOOKED_AT = 10_000
/** Fewer listeners for one event are no leak. */
const FEW = 4
/** Longest name of an event or class. */
const LONGEST = 60

class ListenerSites {
  #sites
  #sampler = new StackSampler()
  /** Listener to `{ site, weight }`. */
  #known = new WeakMap()
  /** Entries that are or were suspect, each with the listeners by event that it had when it became so, or had less of later. */
  #looked = []
  #counts = new Map()
  #found = new Map()

  /** Whether an emitter is suspect: while it is false, nothing has to be called at an addition. */
  active = false

  constructor (sites) {
    this.#sites = sites
  }

  /** Whether the emitter of this entry (lib/listeners.js) grows has changed. */
  changed (entry) {
    if (entry.growth.suspect && !this.#looked.includes(entry)) {
      entry.bases = new Map()
      const quiet = this.#looked.findIndex((one) => !one.growth.suspect)
      if (this.#looked.length < MOST_LOOKED) this.#looked.push(entry)
      else if (quiet >= 0) this.#looked[quiet] = entry
    }
    this.active = this.#looked.some((one) => one.growth.suspect)
  }

  /** A listener was added to an emitter by `below`, whose caller is the site. Throws nothing. */
  added (entry, emitter, type, listener, below) {
    try {
      if (entry?.growth.suspect && this.#looked.includes(entry)) this.#learn(entry, emitter, type, listener, below)
    } catch {
      // An emitter of which every property throws; or the probe is being stopped.
    }
  }

  /** Once a second: live listeners by site, estimated; a Map. */
  count () {
    this.#sampler.second()
    const counts = this.#counts
    for (const site of counts.keys()) counts.set(site, 0)
    this.#looked = this.#looked.filter((entry) => {
      const emitter = entry.reference.deref()
      if (emitter === undefined) return false
      try {
        this.#look(emitter, entry)
      } catch {
        // An emitter of which every property throws.
        return false
      }
      return true
    })
    this.active = this.#looked.some((one) => one.growth.suspect)
    return counts
  }

  stop () {
    this.active = false
    this.#looked = []
    this.#known = new WeakMap()
    this.#counts.clear()
  }

  #learn (entry, emitter, type, listener, below) {
    if (typeof listener !== 'function' && typeof listener !== 'object') return
    const list = emitter._events?.[type]
    if (typeof list === 'function' ? !entry.many : list !== undefined && list.length < FEW) return
    const known = this.#known.get(listener)
    if (known !== undefined) {
      // The same function again: each time that it is found it stands for itself.
      known.weight = 1
      return
    }
    const weight = this.#sampler.turn()
    if (weight === 0) return
    const of = `${entry.many ? 'events' : eventName(type)} of ${className(emitter)}`
    const site = this.#sites.idOf('listener', stackBelow(below), of)
    if (site !== undefined) this.#known.set(listener, { site, weight })
  }

  #look (emitter, entry) {
    const events = emitter._events
    const listsOf = (type) => {
      const list = events === undefined ? getEventListeners(emitter, type) : events[type]
      return list === undefined ? [] : typeof list === 'function' ? [list] : list
    }
    if (entry.many && events !== undefined) {
      const lists = Reflect.ownKeys(events).map(listsOf)
      entry.bases.set(undefined, this.#count(lists, entry.bases.get(undefined)))
    } else {
      for (const type of entry.types) entry.bases.set(type, this.#count([listsOf(type)], entry.bases.get(type)))
    }
  }

  /** Counts by site what these lists have more than `base`; returns the base from now on. */
  #count (lists, base) {
    const found = this.#found
    found.clear()
    const total = lists.reduce((sum, { length }) => sum + length, 0)
    const step = Math.max(1, Math.ceil(total / MOST_LOOKED_AT))
    let next = Math.trunc(Math.random() * step)
    for (const list of lists) {
      for (; next < list.length; next += step) {
        const known = this.#known.get(list[next])
        if (known !== undefined) found.set(known.site, (found.get(known.site) ?? 0) + known.weight)
      }
      next -= list.length
    }
    const least = Math.min(base ?? total, total)
    share(total - least, found, this.#counts)
    return least
  }
}

function eventName (type) {
  return (typeof type === 'symbol' ? type.description ?? '' : String(type)).slice(0, LONGEST)
}

function className (emitter) {
  if (emitter === process) return 'process'
  try {
    const name = emitter.constructor?.name
    return typeof name === 'string' && name !== '' ? name.slice(0, LONGEST) : 'an emitter'
  } catch {
    return 'an emitter'
  }
}

module.exports = { ListenerSites }
