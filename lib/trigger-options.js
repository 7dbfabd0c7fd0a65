'use strict'

// The option `triggers`. The addon checks and completes it, the same way for start(), the config file and `leakprobe rules
// check`; here it only becomes JSON, and what JSON cannot hold is refused.

const { codedError } = require('./errors')
const { callNative, loadNative, whyNotNative } = require('./native')
const check = require('./checks')

/** Triggers that are there unless the option replaces them. */
const DEFAULT_TRIGGERS = [
  { name: 'slow-route', when: { type: 'latency', quantile: 0.95, aboveMs: 2000, minRequests: 20 } },
  { name: 'near-heap-limit', when: { type: 'heap', aboveShare: 0.85 }, forMs: 5000 },
  { name: 'heap-limit', when: { type: 'heap-limit' }, heapSnapshot: true },
  { name: 'loop-stalled', when: { type: 'stall', aboveMs: 1000 } },
  { name: 'many-listeners', when: { type: 'listeners', above: 10_000 } },
  { name: 'many-timers', when: { type: 'timers', above: 10_000 } }
]

/** No triggers that can be meant are larger; a cycle ends here, too. */
const DEEPEST = 12
const MOST_ENTRIES = 1000
const MOST_VALUES = 20_000

/**
 * The complete triggers, `[]` for `false`. Throws the first problem; the error has all of them under `problems`. Without the
 * addon there is nobody to check them, and none.
 */
function completeTriggers (value, at) {
  return completeWith((native, json) => native.completeTriggers(json, at.preset === 'test'), value, at)
}

/** What the addon makes of the value, by a function of it that takes JSON. */
function completeWith (complete, value, at) {
  const json = JSON.stringify(plain(value, at, { depth: 0, values: 0 }))
  if (whyNotNative() !== undefined) return []
  const { complete: completed, problems } = JSON.parse(callNative(() => complete(loadNative(), json)))
  if (problems === undefined) return completed
  const placed = problems.map(({ path, expected, received }) => ({ option: `${at.option}${path}`, expected, received }))
  throw Object.assign(codedError('LEAKPROBE_ERR_OPTION', { ...placed[0], source: at.source }), { problems: placed })
}

// A copy that holds only what JSON can.
function plain (value, at, size) {
  if (typeof value === 'string') return value.toWellFormed()
  if (value === null || typeof value === 'boolean' || Number.isFinite(value)) return value
  if (typeof value !== 'object') return check.refuse(value, at, 'a value that JSON can hold')
  const entries = Array.isArray(value) ? value.length : Object.keys(value).length
  size.values += entries
  if (size.depth >= DEEPEST || entries > MOST_ENTRIES || size.values > MOST_VALUES) {
    return check.refuse(value, at, `at most ${DEEPEST} levels, ${MOST_ENTRIES} entries in each, and ${MOST_VALUES} values`)
  }
  size.depth++
  const copy = Array.isArray(value)
    ? Array.from(value, (one, index) => plain(one, { ...at, option: `${at.option}[${index}]` }, size))
    : plainObject(value, at, size)
  size.depth--
  return copy
}

function plainObject (value, at, size) {
  // Without a prototype, a field named `__proto__` is one like any other.
  const copy = Object.create(null)
  for (const name of Object.keys(value)) {
    if (value[name] !== undefined) copy[name] = plain(value[name], { ...at, option: `${at.option}.${name}` }, size)
  }
  return copy
}

module.exports = { completeTriggers, completeWith, DEFAULT_TRIGGERS }
