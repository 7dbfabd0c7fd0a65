'use strict'

// Where the timers that grow in number are made. While none grow, nothing is done; while those of a duration do, the
// stack of some of the new ones is taken, and the timers are found again by walking Node's list of that duration.
//
// Invariant: a timer is known by a WeakMap only.

const { Growth } = require('./growth')
const { share, stackBelow, StackSampler } = require('./sites')

/** Timers walked per count. */
const MOST_WALKED = 20_000

class TimerSites {
  #sites
  #sampler = new StackSampler()
  /** Timer to `{ site, weight }`. */
  #known = new WeakMap()
  #total = new Growth()
  /** Lists that are or were suspect, as long as they live, each with the timers that it had then, or had less of later. */
  #suspects = new Map()
  /** All lists. */
  #lists = new Map()
  /** Together they grow, and none alone did: durations with a random part. */
  #everywhere = false
  /** Timers of every list are learnt of. */
  #any = false
  #counts = new Map()
  #found = new Map()
  #left = 0
  #base

  /** Whether some timers are suspect: while it is false, nothing has to be called for a new timer. */
  active = false

  constructor (sites) {
    this.#sites = sites
  }

  /** At each tick: Node's lists as a Map to how each grows (lib/timers.js), and the timers in all. */
  looked (lists, total) {
    this.#total.look(total)
    let grows = false
    for (const [list, growth] of lists) {
      if (!growth?.suspect) continue
      grows = true
      if (!this.#suspects.has(list)) this.#suspects.set(list, undefined)
    }
    for (const list of this.#suspects.keys()) if (!lists.has(list)) this.#suspects.delete(list)
    this.#lists = lists
    this.#any = this.#total.suspect && !grows
    this.#everywhere = this.#total.suspect && (this.#everywhere || this.#any)
    this.active = grows || this.#any
  }

  /** A timer was made by `below`, whose caller is the site. Throws nothing. */
  added (timer, list, below) {
    if (!this.#any && !this.#suspects.has(list)) return
    try {
      const weight = this.#sampler.turn()
      if (weight === 0) return
      const site = this.#sites.idOf('timer', stackBelow(below), below.name)
      if (site !== undefined) this.#known.set(timer, { site, weight })
    } catch {
      // The probe is being stopped.
    }
  }

  /** Once a second: live timers by site, estimated; a Map. */
  count () {
    this.#sampler.second()
    const counts = this.#counts
    for (const site of counts.keys()) counts.set(site, 0)
    this.#left = MOST_WALKED
    if (this.#everywhere) {
      this.#found.clear()
      let walked = 0
      for (const list of this.#lists.keys()) walked += this.#walk(list)
      this.#base = Math.min(this.#base ?? walked, walked)
      share(walked - this.#base, this.#found, counts)
      return counts
    }
    this.#base = undefined
    for (const [list, base] of this.#suspects) {
      this.#found.clear()
      const walked = this.#walk(list)
      this.#suspects.set(list, Math.min(base ?? walked, walked))
      share(walked - this.#suspects.get(list), this.#found, counts)
    }
    return counts
  }

  /** Walks a list, adds up the weights of known timers in `#found`; returns how many timers there are. */
  #walk (list) {
    let walked = 0
    for (let timer = list._idleNext; timer && timer !== list && this.#left > 0; timer = timer._idleNext, this.#left--, walked++) {
      const known = this.#known.get(timer)
      if (known !== undefined) this.#found.set(known.site, (this.#found.get(known.site) ?? 0) + known.weight)
    }
    return walked
  }

  stop () {
    this.active = false
    this.#suspects.clear()
    this.#lists = new Map()
    this.#any = this.#everywhere = false
    this.#known = new WeakMap()
    this.#counts.clear()
  }
}

module.exports = { TimerSites }
