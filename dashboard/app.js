// The live page: asks the API, keeps what it said, and shows the page that the address names.

import { h, say } from './dom.js'
import { ApiError, ask, Feed } from './feed.js'
import { clock, duration } from './format.js'
import { HistoryQuestion } from './history.js'
import { incidentPage, overviewPage, routePage } from './pages.js'
import { isLong } from './range.js'
import { VERDICTS, verdictSentence } from './words.js'

/** A loop that turns late by less is no stall; the heart beats every 250 ms by default. */
const STALL_MS = 1000
const state = {}
const at = (id) => document.getElementById(id)
const main = at('main')
let page
let route
let incident
const range = {
  minutes: 0,
  choose (minutes) {
    range.minutes = minutes
    delete state.history
    history.forget()
    if (state.report !== undefined && state.stats !== undefined) page.update(state)
    feed.now()
  }
}
const history = new HistoryQuestion()

const feed = new Feed({ wanted, onAnswer, onSilence })

/** What the page at hand needs. */
function wanted () {
  const minutes = range.minutes === 0 || isLong(range.minutes) ? undefined : range.minutes
  return {
    report: 'api/report',
    stats: 'api/stats',
    series: `api/series${minutes === undefined ? '' : `?minutes=${minutes}`}`,
    incidents: 'api/incidents',
    ...(route === undefined ? {} : { routeSeries: `api/series?route=${encodeURIComponent(route)}${minutes === undefined ? '' : `&minutes=${minutes}`}` }),
    ...(incident === undefined ? history.wanted(route, range.minutes) : { incident: `api/incidents/${encodeURIComponent(incident)}` })
  }
}

function onAnswer (answers) {
  history.answered(answers)
  Object.assign(state, answers)
  if (state.report === undefined || state.stats === undefined) return // busy at the first try
  document.documentElement.dataset.live = 'yes'
  say(at('live'), 'live')
  say(at('silence'), '')
  at('silence').hidden = true
  head()
  page.update(state)
}

function onSilence ({ since, nextInMs, error }) {
  document.documentElement.dataset.live = 'no'
  say(at('live'), `no answer, next try in ${duration(nextInMs)}`)
  const why = error instanceof ApiError ? `The server answers: ${error.message}.` : 'The process may have ended, or its port is closed.'
  say(at('silence'), `No answer since ${clock(since)}. ${why}${state.report === undefined ? '' : ' What is shown is what was last known.'}`)
  at('silence').hidden = false
}

function head () {
  const { report, series, stats } = state
  const { process } = report
  say(at('service'), process.service)
  say(at('process'), `pid ${process.pid} · node ${process.node} · up ${duration(process.uptimeMs)}`)
  const sign = VERDICTS[report.verdict]?.sign ?? ''
  document.title = `${sign} ${page.title ?? verdictSentence(report).map((part) => part.route ?? part.more ?? part).join('')} – ${process.service}`
  // Said only when it becomes another one: numbers that change every two seconds are no news to somebody who listens.
  say(at('said'), `${VERDICTS[report.verdict]?.word ?? report.verdict}. ${report.leaks.length === 0 ? '' : `Leaking routes: ${[...new Set(report.leaks.flatMap(({ routes }) => routes))].sort().join(', ')}.`}`)
  const usual = median(series?.process?.loopStallMs ?? [])
  const late = stats.eventLoop?.silentMs ?? 0
  const stalls = late >= Math.max(STALL_MS, 4 * usual)
  at('stall').hidden = !stalls
  say(at('stall-said'), !stalls ? '' : 'The event loop stands still, and every request with it:')
  say(at('stall-for'), !stalls ? '' : `${duration(late)} so far`)
}

function median (values) {
  return values.toSorted((one, other) => one - other)[values.length >> 1] ?? 0
}

/** Shows the page of the address. */
function show ({ first = false } = {}) {
  const [, kind, name] = /^#\/(route|incident)\/(.+)$/.exec(location.hash) ?? []
  const decoded = name === undefined ? undefined : decode(name)
  route = kind === 'route' ? decoded : undefined
  incident = kind === 'incident' ? decoded : undefined
  delete state.routeSeries
  delete state.history
  history.forget()
  delete state.incident
  page?.close()
  page = route !== undefined ? routePage(route, options) : incident !== undefined ? incidentPage(incident) : overviewPage(options)
  main.replaceChildren(page.element)
  if (state.report !== undefined && state.stats !== undefined) {
    head()
    page.update(state)
  }
  if (!first) {
    scrollTo(0, 0)
    ;(page.focus ?? main).focus({ preventScroll: true })
  }
  feed.now()
}

const options = {
  range,
  capture: async (heapSnapshot) => {
    await ask('api/capture', { method: 'POST', body: { heapSnapshot, reason: 'dashboard' } })
    feed.now()
  }
}

function decode (text) {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

addEventListener('hashchange', () => show())
at('skip').addEventListener('click', (event) => {
  event.preventDefault()
  main.focus()
})
main.append(h('p', { class: 'note' }, 'Waiting for the first answer …'))
show({ first: true })
