'use strict'

// Live objects by the code that made them: V8's sampling heap profiler, while something grows. It is started by symbol
// and read through the inspector. Of the samples only those count that were there at the reading before: most of the
// others are garbage that nobody has collected yet.
//
// Invariant: it is stopped after MOST_MS at the latest, and another agent's profiler is not knowingly stopped.

const clock = require('./clock')
const { isCode, placeOf, MOST_FRAMES } = require('./frames')

/** Between two samples, bytes, by preset: at least. */
const INTERVAL = { test: 65_536, production: 524_288 }
const LARGEST_INTERVAL = 64 * 1_048_576
/** More samples per second than this make the interval longer: taking one takes some 10 to 30 µs. */
const SAMPLES_PER_SECOND = { test: 1000, production: 250 }
/** Frames of a stack that V8 keeps. */
const DEPTH = 48
/** Between two readings at least, ms. */
const READ_MS = { test: 1000, production: 10_000 }
/** Share of the time that reading may take; where each reading collects everything, with preset `test`, as much as floors. */
const READ_SHARE = 0.01
const READ_SHARE_TEST = 0.05
/** It runs so long at a stretch, ms, and then rests as long: its table of samples grows with what leaks. */
const MOST_MS = { test: 600_000, production: 600_000 }
/** More live samples than this end it: each takes some 200 bytes, and reading them about 10 µs. */
const MOST_SAMPLES = 50_000
/** Sites told of at a reading: those with the most bytes, and those that were told of before. */
const MOST_SITES = 64

class HeapSamples {
  #native
  #sites
  #state
  #preset
  #addPause
  #session
  #wanted = false
  #byInspector = false
  #interval
  #lastAt = 0
  #startedAt = 0
  #restUntil = 0
  #readAt = 0
  #newest = 0
  /** Bytes by site as of the last reading, and as of the end of the last run. */
  #told = new Map()
  #earlier = new Map()

  /** `native`: the addon's probe; `state(state, because)` tells how it works; `addPause(ms)`: a collection for a reading. */
  constructor ({ native, sites, state, preset, addPause }) {
    this.#native = native
    this.#sites = sites
    this.#state = state
    this.#preset = preset
    this.#interval = INTERVAL[preset]
    this.#addPause = addPause
  }

  /** Something grows, or nothing does any more. */
  investigate (on) {
    this.#wanted = on
    if (!on) this.stop()
  }

  /** Once a second: starts, reads and stops when it is time. After a reading live bytes by site, a Map; else undefined. */
  look () {
    const now = clock.now()
    if (this.#session === undefined) {
      if (this.#wanted && now >= this.#restUntil) this.#start(now)
      return undefined
    }
    if (now - this.#startedAt >= MOST_MS[this.#preset]) {
      this.#rest(`stopped after ${MOST_MS[this.#preset] / 60_000} minutes; it rests as long`)
      return undefined
    }
    if (now < this.#readAt) return undefined
    const startedAt = this.#startedAt
    const counts = this.#read()
    const cost = clock.now() - now
    if (this.#byInspector) this.#addPause(cost)
    if (this.#startedAt === startedAt) this.#readAt = now + Math.max(counts === undefined ? READ_MS.test : READ_MS[this.#preset], cost / this.#share())
    return counts
  }

  /** Stops it, if it runs. */
  stop (taken = false) {
    const session = this.#session
    if (session === undefined) return
    this.#session = undefined
    // What was there then goes on counting: another start sees what is made from then on only.
    for (const [site, bytes] of this.#told) this.#earlier.set(site, bytes)
    if (!this.#byInspector) this.#native.stopHeapSamples(taken)
    else if (!taken) post(session, 'HeapProfiler.stopSampling')
    session.disconnect()
  }

  #start (now) {
    const interval = this.#interval
    let session
    try {
      const { Session } = require('node:inspector')
      session = new Session()
      session.connect()
    } catch (error) {
      this.#wanted = false
      this.#state('off', `the inspector cannot be used: ${error.message}`)
      return
    }
    const started = this.#native.startHeapSamples(interval, DEPTH)
    this.#byInspector = started === 'absent'
    const taken = started === 'taken' || (this.#byInspector && post(session, 'HeapProfiler.getSamplingProfile') !== undefined)
    if (taken) {
      session.disconnect()
      this.#restUntil = now + MOST_MS[this.#preset] / 10
      this.#state('off', 'another agent\'s sampling heap profiler runs, and V8 has one only')
      return
    }
    if (this.#byInspector) post(session, 'HeapProfiler.startSampling', { samplingInterval: interval })
    this.#session = session
    this.#startedAt = now
    this.#newest = 0
    this.#lastAt = now
    // The first reading tells how many samples there are, which must not be too many for long.
    this.#readAt = now + READ_MS.test
    if (this.#byInspector) this.#state('fallback', `the inspector's sampling heap profiler, one sample about every ${interval / 1024} KiB; each reading collects the whole heap`)
    else this.#state('native', `V8's sampling heap profiler by symbol, one sample about every ${interval / 1024} KiB, since something grows`)
  }

  #share () {
    return this.#byInspector && this.#preset === 'test' ? READ_SHARE_TEST : READ_SHARE
  }

  #rest (because) {
    this.stop()
    this.#restUntil = clock.now() + MOST_MS[this.#preset]
    this.#state('native', `V8's sampling heap profiler, ${because}`)
  }

  #read () {
    const profile = post(this.#session, 'HeapProfiler.getSamplingProfile')?.profile
    const newest = profile?.samples.reduce((most, { ordinal }) => Math.max(most, ordinal), 0)
    if (profile === undefined || newest < this.#newest / 2) {
      // Another agent has stopped ours; what runs now, if anything, is its own.
      this.stop(true)
      this.#restUntil = clock.now() + MOST_MS[this.#preset] / 10
      this.#state('off', 'another agent has stopped or replaced the sampling heap profiler')
      return undefined
    }
    if (profile.samples.length > MOST_SAMPLES) {
      this.#rest(`stopped at ${profile.samples.length} live samples`)
      return undefined
    }
    const before = this.#newest
    const now = clock.now()
    const perSecond = (newest - before) / (now - this.#lastAt) * 1000
    if (perSecond > SAMPLES_PER_SECOND[this.#preset] && this.#interval < LARGEST_INTERVAL) {
      const times = 2 ** Math.ceil(Math.log2(perSecond / SAMPLES_PER_SECOND[this.#preset]))
      this.#interval = Math.min(this.#interval * times, LARGEST_INTERVAL)
      this.stop()
      this.#start(now)
      return undefined
    }
    this.#lastAt = now
    this.#newest = newest
    return before === 0 ? undefined : this.#count(profile, before)
  }

  #count ({ head, samples }, before) {
    const bytes = new Map()
    for (const { nodeId, size, ordinal } of samples) {
      if (ordinal <= before) bytes.set(nodeId, (bytes.get(nodeId) ?? 0) + size)
    }
    const groups = [...fold(head, bytes).values()].sort((one, other) => other.bytes - one.bytes)
    const told = this.#told
    for (const site of told.keys()) told.set(site, this.#earlier.get(site) ?? 0)
    for (const group of groups.slice(0, MOST_SITES)) {
      group.site = this.#sites.idOf('heap-sample', group.frames)
      if (group.site !== undefined) told.set(group.site, (told.get(group.site) ?? 0) + group.bytes)
    }
    for (const group of groups.slice(MOST_SITES, MOST_SITES * 8)) {
      const site = this.#sites.knownId('heap-sample', group.frames)
      if (told.has(site)) told.set(site, told.get(site) + group.bytes)
    }
    return told
  }
}

/** Bytes by place (lib/frames.js), each with the frames of one of its stacks, innermost first: a Map of `{ frames, bytes }`. */
function fold (head, bytes) {
  const groups = new Map()
  const walk = (node, above, key) => {
    const { functionName, url, lineNumber, columnNumber } = node.callFrame
    let frames = above
    if (isCode(url)) {
      frames = [{ function: functionName || undefined, file: url, line: lineNumber + 1, column: columnNumber + 1 }, ...above].slice(0, MOST_FRAMES)
      key = placeOf(frames)
    }
    const own = bytes.get(node.id)
    if (own !== undefined && frames.length > 0) {
      const group = groups.get(key)
      if (group === undefined) groups.set(key, { frames, bytes: own })
      else group.bytes += own
    }
    for (const child of node.children) walk(child, frames, key)
  }
  walk(head, [], '')
  return groups
}

// The inspector answers a session of its own thread before `post` returns. Undefined where it refuses.
function post (session, method, parameters) {
  let answer
  session.post(method, parameters, (error, result) => { answer = error === null ? result : undefined })
  return answer
}

module.exports = { HeapSamples, fold }
