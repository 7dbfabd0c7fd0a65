'use strict'

// Live timeouts and intervals, counted by walking Node's own lists. Node keeps one linked list per duration; a timer
// that was just made is its list's youngest, so its neighbour is the list's head. Which lists exist is learnt by
// wrapping setTimeout and setInterval. While the timers of a list grow, lib/timer-sites.js learns of the new ones.
//
// Invariant: a list is forgotten as soon as it is found empty, because Node then makes a new one for the duration.

const timers = require('node:timers')
const { syncBuiltinESMExports } = require('node:module')
const { Growth } = require('./growth')

/** Lists known at most. */
const MOST_LISTS = 256
/** Timers walked per count. */
const MOST_WALKED = 20_000
/** The fallback lists every resource of the process by name, so it is asked at each fourth tick only. */
const FALLBACK_EVERY = 4

const NO_SITES = { active: false, looked () {}, stop () {} }

const NAMES = ['setTimeout', 'setInterval']
const original = { setTimeout: timers.setTimeout, clearTimeout: timers.clearTimeout }

/** Durations that are looked at once at the start, for timers made before it, ms. */
const USUAL_MS = [
  1, 5, 10, 20, 25, 30, 50, 100, 150, 200, 250, 300, 400, 500, 750, 1000, 1500, 2000, 2500, 3000, 4000, 5000, 10_000, 15_000, 20_000, 30_000, 45_000,
  60_000, 90_000, 120_000, 180_000, 300_000, 600_000, 900_000, 1_800_000, 3_600_000, 7_200_000, 43_200_000, 86_400_000
]

/**
 * Watches until `stop()`. `count()` is the number of live timers. `state(state, because)` tells how they are counted.
 * `hooks: false` forces the fallback. `sites`: lib/timer-sites.js, if anything.
 */
function watchTimers ({ state, hooks, sites = NO_SITES }) {
  if (!hooks || !walkable()) {
    state('fallback', `process.getActiveResourcesInfo(), timers that are unref'd are not seen: ${hooks ? 'node\'s timer lists do not look as expected' : 'switched off by the option `without`'}`)
    return fallback()
  }
  /** Each with how it grows, from the first count on: many lists never live to see one. */
  const lists = new Map()
  let active = true
  let last
  let bounded = false

  function learn (timer, below) {
    const list = timer?._idlePrev
    if (sites.active) sites.added(timer, list, below)
    if (list === last || list === undefined || list === null) return
    last = list
    if (lists.has(list) || !active) return
    if (lists.size >= MOST_LISTS) forgetEmpty()
    if (lists.size < MOST_LISTS) lists.set(list, undefined)
    else bound(`more than ${MOST_LISTS} durations`)
  }

  function forgetEmpty () {
    for (const list of lists.keys()) if (isEmpty(list)) lists.delete(list)
  }

  function bound (why) {
    if (!bounded) state('native', `node's timer lists; a lower bound, because there are ${why}`)
    bounded = true
  }

  for (const ms of USUAL_MS) {
    const timer = original.setTimeout(nothing, ms)
    const list = timer._idlePrev
    original.clearTimeout(timer)
    if (!isEmpty(list)) lists.set(list, undefined)
  }
  const undo = NAMES.map((name) => replace(name, learn))
  syncBuiltinESMExports()
  state('native', 'node\'s timer lists')

  return {
    count () {
      let total = 0
      for (const [list, growth = new Growth()] of lists) {
        if (isEmpty(list)) {
          lists.delete(list)
          if (last === list) last = undefined
        } else {
          const length = lengthOf(list, MOST_WALKED - total)
          growth.look(length)
          lists.set(list, growth)
          total += length
        }
      }
      sites.looked(lists, total)
      if (total >= MOST_WALKED) bound(`more than ${MOST_WALKED}`)
      return total
    },
    stop () {
      active = false
      for (const restore of undo) restore()
      syncBuiltinESMExports()
      sites.stop()
      lists.clear()
      last = undefined
    }
  }
}

function fallback () {
  let calls = 0
  let known = 0
  return {
    count () {
      if (calls++ % FALLBACK_EVERY === 0) known = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
      return known
    },
    stop () {}
  }
}

// Three timers of an odd duration have to be found as three.
function walkable () {
  const planted = [0, 1, 2].map(() => original.setTimeout(nothing, 2_147_480_011))
  try {
    const list = planted[2]._idlePrev
    return !isEmpty(list) && lengthOf(list, MOST_WALKED) === planted.length
  } catch {
    return false
  } finally {
    for (const timer of planted) original.clearTimeout(timer)
  }
}

function isEmpty (list) {
  return list._idleNext === list || !list._idleNext
}

function lengthOf (list, most) {
  let length = 0
  for (let timer = list._idleNext; timer && timer !== list && length < most; timer = timer._idleNext) length++
  return length
}

function nothing () {}

function replace (name, learn) {
  const descriptor = Object.getOwnPropertyDescriptor(globalThis, name)
  const inModule = timers[name]
  const wrapper = wrap(descriptor.value, learn)
  const moduleWrapper = inModule === descriptor.value ? wrapper : wrap(inModule, learn)
  Object.defineProperty(globalThis, name, { ...descriptor, value: wrapper })
  timers[name] = moduleWrapper
  return () => {
    // Somebody who wrapped ours keeps it below; it is inert from now on.
    if (globalThis[name] === wrapper) Object.defineProperty(globalThis, name, descriptor)
    if (timers[name] === moduleWrapper) timers[name] = inModule
  }
}

function wrap (inner, learn) {
  const wrapper = function (callback, after) {
    const timer = inner.apply(this, arguments)
    learn(timer, wrapper)
    return timer
  }
  // Name, length and util.promisify.custom.
  return Object.defineProperties(wrapper, Object.getOwnPropertyDescriptors(inner))
}

module.exports = { watchTimers }
