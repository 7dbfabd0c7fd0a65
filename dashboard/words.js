// What is said in words: the verdict, a leak, a hypothesis. Pure; shared by the live page and the offline one.

import { amount, bytes, digits, duration, moment, percent, plural } from './format.js'

/** Sign and word of each verdict. The sign differs in form, not only in colour. */
export const VERDICTS = {
  leaking: { sign: '▲', word: 'Leaking' },
  suspect: { sign: '◆', word: 'Suspect' },
  clear: { sign: '✓', word: 'Clear' },
  learning: { sign: '…', word: 'Learning' }
}

/** Titles of the hypotheses. */
const HYPOTHESES = {
  'js-heap-leak': 'JavaScript heap leak',
  'native-leak': 'Native memory leak',
  'handle-leak': 'Handle or descriptor leak',
  'malloc-fragmentation': 'malloc fragmentation',
  'v8-fragmentation': 'V8 heap fragmentation',
  'page-faults': 'Page faults or swap',
  'gc-pressure': 'Garbage collection',
  'heap-limit': 'V8 heap limit',
  'cgroup-limit': 'Container memory limit',
  cpu: 'CPU saturation or throttling',
  'blocked-event-loop': 'Blocked event loop',
  'load-increase': 'More load'
}

const WITNESSES = {
  'floor-regression': 'Growth of the floor, by requests served',
  'watched-requests': 'Watched requests that stay alive',
  'listener-sites': 'Where listeners are added',
  'timer-sites': 'Where timers are made',
  'heap-samples': 'Live samples of the heap profiler',
  'heap-walk': 'Objects counted in the heap',
  'heap-snapshot': 'Heap snapshot'
}

const SLOWER = { 'app-thread-time': 'time on the app thread', latency: 'median latency', 'high-latency': 'slowest tenth' }

const KINDS = {
  collection: 'a collection that only grows',
  listener: 'listeners that are never removed',
  timer: 'timers that are never cleared',
  closure: 'requests or closures that stay reachable',
  native: 'memory outside the JavaScript heap',
  unknown: 'not known yet'
}

export function hypothesisTitle (name) {
  return HYPOTHESES[name] ?? name
}

export function witnessTitle (name) {
  return WITNESSES[name] ?? name
}

/** `collection: a collection that only grows`. */
export function kindText (kind) {
  return KINDS[kind] ?? kind
}

/** Names of the routes of a leak: several when they cannot be told apart. */
export function leakRoutes (leak) {
  return leak.routes.join(' or ')
}

/** The leaks of a route. */
export function leaksOf (report, route) {
  return (report?.leaks ?? []).filter((leak) => leak.routes.includes(route))
}

/**
 * The verdict in one sentence, in parts, so that a route's name can be a link.
 * @returns {Array<string | { route: string } | { more: string }>}
 */
export function verdictSentence (report) {
  const [leak, ...more] = report.leaks
  if (report.verdict === 'leaking' && leak !== undefined) {
    const names = leak.routes.flatMap((route, i) => i === 0 ? [{ route }] : [' or ', { route }])
    return [...names, ` keeps ${keptText(leak)} per request.`, ...(more.length === 0 ? [] : [' ', { more: `${plural(more.length, 'more leak')}.` }])]
  }
  return [{
    suspect: 'Something grows, and no route can be named yet.',
    clear: 'Nothing leaks, as far as the data tell.',
    learning: 'Not enough data yet.',
    leaking: 'Something leaks.'
  }[report.verdict] ?? String(report.verdict)]
}

/** `41.8 kB`, `one listener`, `1.50 timers`. */
export function keptText (leak) {
  const { value, unit } = keptEstimate(leak)
  if (unit === 'bytes') return bytes(value)
  const one = unit.replace(/s$/, '')
  return Math.abs(value - 1) < 0.05 ? `one ${one}` : `${digits(value)}\u00a0${unit}`
}

/** What stands below the verdict: the next things to know, each a short sentence. */
export function verdictDetails (report) {
  const said = []
  const [leak] = report.leaks
  if (leak !== undefined) said.push(`Since ${moment(leak.since)}.`)
  if (leak?.culprit?.file !== undefined) said.push(`Kept by ${place(leak.culprit)}.`)
  const limit = report.leaks.map(({ timeToLimitMs }) => timeToLimitMs).filter((ms) => ms !== undefined && ms !== null)
  if (limit.length > 0) said.push(`At this rate the heap limit is reached in ${duration(Math.min(...limit))}.`)
  const [slow] = report.slowdowns ?? []
  if (slow !== undefined) said.push(`${slow.route} got slower: ${SLOWER[slow.by] ?? slow.by} ${duration(slow.baselineMs)} at first, ${duration(slow.nowMs)} now.`)
  const out = (report.hypotheses ?? []).filter(({ state }) => state === 'ruled out').length
  if (out > 0) said.push(`${out} of ${report.hypotheses.length} other causes are ruled out.`)
  return said
}

/** `demo/server.js:33`. */
export function place ({ file, line }) {
  return line === undefined || line === null || line === 0 ? file : `${file}:${line}`
}

/** What a leak amounts to: `32.8 MB so far, 3.95 GB an hour`. */
export function growthText (leak) {
  const { total, perHour, unit } = leak.growth
  return `${amount({ value: total, unit })} so far, ${amount({ value: perHour, unit })} an hour`
}

/** A number of a hypothesis, as far as its name tells the unit. */
export function numberText (name, value) {
  if (typeof value !== 'number') return String(value)
  if (/bytes|heap|floor|rss|limit|used|free|held/i.test(name) && Math.abs(value) >= 1000) return bytes(value)
  if (/share/i.test(name)) return percent(value)
  if (/ms$/i.test(name)) return duration(value)
  return digits(value)
}

/** What a request of this leak keeps, as the leak's kind is counted: listeners and timers as such where a witness counted them. */
export function keptEstimate (leak) {
  const of = { listener: 'listeners', timer: 'timers' }[leak.kind]
  return leak.evidence?.find((witness) => witness.of === of && witness.perRequest !== undefined)?.perRequest ?? leak.perRequest
}
