// Days and weeks, from the history: when to ask for them, and what their charts say.

import { bytes, moment } from './format.js'
import { isLong } from './range.js'

/** It changes by the minute, and each question reads the disk. */
const EVERY_MS = 30_000
/** Of a window that has just begun there is too little to tell a rate. */
const SHORTEST_MS = 10_000
/** Versions named in a sentence. */
const MOST_VERSIONS = 3

/** Asks for the history when a long span is shown, and then seldom. */
export class HistoryQuestion {
  #asking
  #answered = { path: undefined, at: 0 }

  /** What to ask for now: `{ history: path }`, or nothing. */
  wanted (route, minutes) {
    this.#asking = undefined
    if (!isLong(minutes)) return {}
    const path = `api/history?minutes=${minutes}${route === undefined ? '&metric=heapUsedBytes,floorBytes,rssBytes,gcPauseMs,loopStallMs' : `&route=${encodeURIComponent(route)}`}`
    if (path === this.#answered.path && Date.now() - this.#answered.at < EVERY_MS) return {}
    this.#asking = path
    return { history: path }
  }

  /** What was asked for was answered; a server that was busy is asked again. */
  answered (answers) {
    if (answers.history !== undefined) this.#answered = { path: this.#asking, at: Date.now() }
  }

  /** Another page: what was answered is not kept. */
  forget () {
    this.#answered = { path: undefined, at: 0 }
  }
}

/** Columns of a route; empty ones while there is no answer for it. */
export function routeColumns (history, route) {
  if (history?.route?.route !== route) return { times: [], stepMs: 1, lastMs: 1, route: { p95Ms: [], p50Ms: [], requests: [] }, keptBytes: [] }
  return { ...history, lastMs: lastMs(history), keptBytes: keptColumn(history) }
}

/** Columns of the processes; empty ones while there is no answer. */
export function processColumns (history) {
  if (history?.process === undefined) return { times: [], stepMs: 1, lastMs: 1, process: { floorBytes: [], heapUsedBytes: [], rssBytes: [], gcPauseMs: [], loopStallMs: [] } }
  return { ...history, lastMs: lastMs(history) }
}

/** The last window is not over: how long it has lasted, by the browser's clock. */
function lastMs ({ times, stepMs }) {
  return Math.min(stepMs, Math.max(SHORTEST_MS, Date.now() - times.at(-1)))
}

/** Bytes kept per request as the leak of each life was estimated, over the time in which it was seen; `null` elsewhere. */
function keptColumn ({ times, stepMs, findings }) {
  const leaks = findings.filter(({ kind, perRequest }) => kind === 'leak' && perRequest?.unit === 'bytes')
    .map(({ firstAt, lastAt, perRequest }) => ({ from: Date.parse(firstAt), to: Date.parse(lastAt), value: perRequest.value }))
  return times.map((time) => {
    const seen = leaks.filter(({ from, to }) => from < time + stepMs && to >= time)
    return seen.length === 0 ? null : Math.max(...seen.map(({ value }) => value))
  })
}

/** What stands over the charts of a long span. `history`: an answer, `null` where there is none, `undefined` before. */
export function historySentence (history) {
  if (history === undefined) return 'Waiting for the history …'
  if (history === null) return 'There is no history of this: none is kept, or there were no requests.'
  const { deployments, lives, omitted } = history
  const processes = lives.length + omitted.lives
  const versions = deployments.filter(({ version, revision }) => version !== '' || revision !== '').slice(-MOST_VERSIONS)
    .map(({ version, revision, firstAt }) => `${[version, revision.slice(0, 7)].filter((part) => part !== '').join(' at ')} since ${moment(firstAt)}`)
  return `All processes of the service, ${processes} in this span${versions.length === 0 ? '' : `; version ${versions.join(', ')}`}.`
}

/** The last estimate of a span as a sentence for who cannot see the chart. */
export function keptSentence (column) {
  const last = column.findLast((value) => value !== null)
  return last === undefined ? 'No leak was found in this span.' : `The last estimate is ${bytes(last)} per request.`
}
