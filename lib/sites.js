'use strict'

// Sites: where listeners, timers and sampled objects are made. A site is told to the addon once, by number, with its
// stack; from then on only the number and a count cross.
//
// Invariant: at most so many sites of each kind exist; nothing here holds what was made there.

/** Sites of each kind: a leak has one or a few. */
const MOST_SITES = { listener: 64, timer: 64, 'heap-sample': 128 }
/** Stacks taken per second, of each kind: reading one takes 10 to 20 µs. */
const STACKS_PER_SECOND = 20

const { ceil, max, random, trunc } = Math

class Sites {
  #tell
  #ids = new Map()
  #left = { ...MOST_SITES }
  #next = 0

  /** `tell(id, info)` gets each new site, `{ what, of, stack }`, and returns whether it could be told. */
  constructor (tell) {
    this.#tell = tell
  }

  /** Its number, where it has one. */
  knownId (what, frames, of) {
    return this.#ids.get(keyOf(what, frames, of))
  }

  /** Number of the site of these raw frames (lib/frames.js); undefined without frames, and when there is no room. `of`: what is made there. */
  idOf (what, frames, of) {
    if (frames.length === 0) return undefined
    const key = keyOf(what, frames, of)
    const known = this.#ids.get(key)
    if (known !== undefined || this.#left[what] === 0) return known
    const id = this.#next
    if (!this.#tell(id, { what, of, stack: frames.map(require('./frames').describeFrame) })) return undefined
    this.#left[what]--
    this.#next++
    this.#ids.set(key, id)
    return id
  }
}

/** Adds `growth` to `counts` by site, in the parts that `weights` have. */
function share (growth, weights, counts) {
  let total = 0
  for (const weight of weights.values()) total += weight
  if (total === 0) return
  for (const [site, weight] of weights) counts.set(site, (counts.get(site) ?? 0) + growth * weight / total)
}

function keyOf (what, frames, of) {
  return `${what} ${of ?? ''} ${require('./frames').placeOf(frames)}`
}

/** Raw frames (lib/frames.js) of now, innermost first, without `below` and what it called. */
function stackBelow (below) {
  const { callSites, framesOfSites } = require('./frames')
  return framesOfSites(callSites(below))
}

/**
 * Picks at random of which additions the stack is taken, so that it is at most STACKS_PER_SECOND, and says how many
 * additions each stack stands for.
 */
class StackSampler {
  #left = STACKS_PER_SECOND
  #oneIn = 1
  #wait = 1
  #passed = 0
  #additions = 0

  /** At each addition: how many additions its stack stands for, 0 when none is to be taken. */
  turn () {
    this.#additions++
    this.#passed++
    if (--this.#wait > 0 || this.#left === 0) return 0
    const weight = this.#passed
    this.#left--
    this.#passed = 0
    this.#wait = 1 + trunc(random() * (2 * this.#oneIn - 1))
    return weight
  }

  /** At each second. */
  second () {
    this.#oneIn = max(1, ceil(this.#additions / STACKS_PER_SECOND))
    this.#additions = 0
    this.#left = STACKS_PER_SECOND
  }
}

module.exports = { Sites, share, stackBelow, StackSampler, STACKS_PER_SECOND, MOST_SITES }
