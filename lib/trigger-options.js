'use strict'

// The option `triggers`: checked deeply and completed, so that the addon gets every field of every trigger.

const { codedError, describe } = require('./errors')
const check = require('./checks')

const DAY_MS = 86_400_000

/** Triggers that are there unless the option replaces them. */
const DEFAULT_TRIGGERS = [
  { name: 'slow-route', when: { type: 'latency', quantile: 0.95, aboveMs: 2000, minRequests: 20 } },
  { name: 'near-heap-limit', when: { type: 'heap', aboveShare: 0.85 }, forMs: 5000 },
  { name: 'heap-limit', when: { type: 'heap-limit' }, heapSnapshot: true },
  { name: 'loop-stalled', when: { type: 'stall', aboveMs: 1000 } },
  { name: 'many-listeners', when: { type: 'listeners', above: 10_000 } },
  { name: 'many-timers', when: { type: 'timers', above: 10_000 } }
]

/** Fields of each condition; those with a default may be left out. */
const CONDITIONS = {
  latency: {
    quantile: { check: check.number(0.01, 0.999), default: 0.95 },
    aboveMs: { check: check.number(0.001, DAY_MS) },
    minRequests: { check: check.integer(1, 1_000_000_000), default: 20 }
  },
  heap: { aboveShare: { check: check.number(0.01, 1) } },
  'heap-limit': {},
  stall: { aboveMs: { check: check.number(50, DAY_MS) } },
  listeners: { above: { check: check.number(0, 4_294_967_295) } },
  timers: { above: { check: check.number(0, 4_294_967_295) } }
}

/** Limits of every trigger. `test` is the default under the preset `test`. */
const LIMITS = {
  routes: { check: check.strings, default: [] },
  forMs: { check: check.integer(0, DAY_MS), default: 30_000, test: 3000 },
  clearRatio: { check: check.number(0.01, 1), default: 0.8 },
  warmUpMs: { check: check.integer(0, DAY_MS), default: 60_000, test: 3000 },
  cooldownMs: { check: check.integer(0, DAY_MS), default: 600_000, test: 30_000 },
  maxPerHour: { check: check.integer(1, 3600), default: 4, test: 60 },
  heapSnapshot: { check: check.isBoolean, default: false }
}

const MOST = 100

/** The complete triggers, `[]` for `false`. */
function completeTriggers (value, at) {
  if (value === false) return []
  if (!Array.isArray(value) || value.length > MOST) return check.refuse(value, at, `an array of at most ${MOST} triggers, or false`)
  const names = new Set()
  return value.map((trigger, index) => {
    const place = { ...at, option: `${at.option}[${index}]` }
    const complete = completeTrigger(trigger, place)
    if (names.has(complete.name)) {
      check.refuse(complete.name, { ...place, option: `${place.option}.name` }, 'a name that no other trigger has')
    }
    names.add(complete.name)
    return complete
  })
}

function completeTrigger (trigger, at) {
  isObject(trigger, at, 'an object with name and when')
  refuseUnknown(trigger, ['name', 'when', ...Object.keys(LIMITS)], at)
  const name = field(trigger, 'name', { check: checkName }, at)
  const when = completeCondition(trigger.when, { ...at, option: `${at.option}.when` })
  const complete = { name, when }
  for (const [limit, spec] of Object.entries(LIMITS)) complete[limit] = field(trigger, limit, spec, at)
  if (['stall', 'heap-limit'].includes(when.type) && trigger.forMs === undefined) complete.forMs = 0
  if (when.type === 'heap-limit' && trigger.warmUpMs === undefined) complete.warmUpMs = 0
  if (when.type !== 'latency' && complete.routes.length > 0) {
    check.refuse(trigger.routes, { ...at, option: `${at.option}.routes` }, `no routes: the condition "${when.type}" has none`)
  }
  return complete
}

function completeCondition (when, at) {
  isObject(when, at, 'an object with type')
  const types = Object.keys(CONDITIONS)
  const type = field(when, 'type', { check: check.oneOf(types) }, at)
  const fields = CONDITIONS[type]
  refuseUnknown(when, ['type', ...Object.keys(fields)], at)
  const complete = { type }
  for (const [name, spec] of Object.entries(fields)) complete[name] = field(when, name, spec, at)
  return complete
}

function field (object, name, { check, default: standard, test = standard }, at) {
  const value = object[name]
  if (value === undefined && standard !== undefined) return at.preset === 'test' ? test : standard
  return check(value, { ...at, option: `${at.option}.${name}` })
}

function checkName (value, at) {
  return typeof value === 'string' && /^[a-z0-9-]{1,40}$/.test(value)
    ? value
    : check.refuse(value, at, 'a name of 1 to 40 lower-case letters, digits and dashes')
}

function isObject (value, at, expected) {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) check.refuse(value, at, expected)
}

function refuseUnknown (object, known, at) {
  for (const name of Object.keys(object)) {
    if (known.includes(name)) continue
    throw codedError('LEAKPROBE_ERR_OPTION', {
      option: `${at.option}.${name}`, source: at.source, expected: `one of ${known.join(', ')}`, received: `an unknown field (${describe(object[name])})`
    })
  }
}

module.exports = { completeTriggers, DEFAULT_TRIGGERS }
