// The three pages: all routes, one route, one incident. Each is `{ element, update(state), close() }`.

import { h, replace, say, whenChanged } from './dom.js'
import { heatMap, perSecond, timeChart } from './charts.js'
import { evidence, fileList, incidentsSection, snapshotText, tripFacts } from './incidents.js'
import { hypothesesSection, probeSection, rulesSection } from './findings.js'
import { amount, bytes, count, digits, duration, interval, moment } from './format.js'
import { historySentence, keptSentence, routeColumns } from './history.js'
import { leakArticle } from './leak.js'
import { memorySection } from './memory.js'
import { isLong, rangeSelect } from './range.js'
import { routesTable } from './routes.js'
import { verdictBlock } from './verdict.js'
import { keptText, leaksOf } from './words.js'

/** Addresses within the page. */
export const links = {
  route: (route) => `#/route/${encodeURIComponent(route)}`,
  incident: (id) => `#/incident/${encodeURIComponent(id)}`
}

/** All routes, and the process. */
export function overviewPage ({ capture, range }) {
  return page('overview', [
    verdictBlock(links.route), routesTable({ link: links.route }), memorySection({ range }), hypothesesSection(),
    side([incidentsSection({ link: links.incident, capture }), rulesSection()]), probeSection()
  ])
}

/** One route. */
export function routePage (route, { range }) {
  const title = h('h1', { class: 'route-name', tabindex: -1 }, route)
  const lead = h('p', { class: 'lead' })
  const numbers = h('dl', { class: 'facts small' })
  const leaks = h('div', { class: 'leaks' })
  const heat = heatMap('Latency: how many requests took how long')
  const latency = timeChart({ title: 'Latency', format: duration, series: [{ label: '95 %', color: '--latency' }, { label: 'median', color: '--faint', dash: [5, 4] }] })
  const kept = timeChart({ title: 'Kept per request', format: bytes, series: [{ label: 'estimate', color: '--leak' }] })
  const requests = timeChart({ title: 'Requests', format: digits, series: [{ label: 'a second', color: '--m8' }] })
  const note = h('p', { class: 'note', role: 'status' })
  const incidents = incidentsSection({ link: links.incident, only: (incident) => incident.route === route })
  const drawSeries = (series) => {
    const own = series?.routes?.find((one) => one.route === route)
    if (own === undefined || series.times.length < 2) return
    latency.update(series.times, [own.p95Ms, own.p50Ms])
    kept.update(series.times, [own.keptBytesPerRequest])
    requests.update(series.times, [perSecond(own.requests, series.stepMs)])
    heat.update(series, duration)
  }
  const drawHistory = (history) => {
    const { times, stepMs, lastMs, route: own, keptBytes } = routeColumns(history, route)
    latency.update(times, [own.p95Ms, own.p50Ms])
    kept.update(times, [keptBytes], keptSentence(keptBytes))
    requests.update(times, [perSecond(own.requests, stepMs, lastMs)])
  }
  const element = h('div', { class: 'page route-page' }, back(),
    h('section', { class: 'verdict', 'aria-label': 'Route' }, title, lead, numbers),
    leaks,
    h('section', { 'aria-labelledby': 'time-title' }, h('div', { class: 'head' }, h('h2', { id: 'time-title' }, 'Over time'), rangeSelect(range)), note, h('div', { class: 'charts thirds' }, heat.element, latency.element, kept.element, requests.element)),
    incidents.element)
  return {
    element,
    title: route,
    focus: title,
    update (state) {
      const found = leaksOf(state.report, route)
      const known = (state.stats?.routes ?? state.report.routes).find((one) => one.route === route)
      element.firstElementChild.nextElementSibling.dataset.verdict = found.length > 0 ? 'leaking' : 'clear'
      say(lead, routeSentence(found, known, state.report.slowdowns?.find((slow) => slow.route === route)))
      const facts = known === undefined ? [] : routeFacts(known, found.length > 0)
      whenChanged(numbers, facts, () => replace(numbers, facts.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value)))))
      whenChanged(leaks, found, () => replace(leaks, found.map((leak) => leakArticle(leak))))
      const long = isLong(range.minutes)
      heat.element.hidden = long
      say(note, long ? historySentence(state.history) : '')
      note.hidden = !long
      if (long) drawHistory(state.history)
      else drawSeries(state.routeSeries)
      incidents.update(state)
    },
    close () {
      for (const one of [heat, latency, kept, requests]) one.close()
    }
  }
}

function routeSentence (leaks, route, slow) {
  const said = []
  if (leaks.length > 0) said.push(`Keeps ${keptText(leaks[0])} per request.`)
  else if (route === undefined) said.push('No request of this route has ended since the start of the process.')
  else said.push(route.kept === undefined ? 'Not enough data yet to say what it keeps.' : 'No leak was found here.')
  if (slow !== undefined) said.push(sentence(slow))
  return said.join(' ')
}

/** Why a route counts as slower, without its name, which stands above. */
function sentence ({ route, because }) {
  const rest = (because.startsWith(`${route}: `) ? because.slice(route.length + 2) : because).replace('app-thread-time', 'app-thread time')
  return `${rest.charAt(0).toUpperCase()}${rest.slice(1)}.`
}

function routeFacts (route, leaks) {
  const all = route.durationMs
  const estimates = Object.entries(route.kept ?? {}).filter(([, value]) => value !== undefined && value !== null)
  return [
    ['Requests', `${count(route.requests)}${route.failed > 0 ? `, ${count(route.failed)} failed` : ''}${route.aborted > 0 ? `, ${count(route.aborted)} aborted` : ''}`],
    ['Median', all === undefined ? '–' : duration(all.p50)],
    ['95 %', all === undefined ? '–' : duration(all.p95)],
    ['Slowest', all === undefined ? '–' : duration(all.max)],
    ['App thread', duration(route.threadMs)],
    ...(leaks ? [] : estimates.map(([name, value]) => [`Kept: ${name}`, value.low > 0 ? `${amount(value)} (${interval(value)})` : `nothing that can be told from zero (${interval(value)})`]))
  ]
}

/** The evidence of one incident. */
export function incidentPage (id) {
  const title = h('h1', { tabindex: -1 }, `Incident ${id}`)
  const because = h('p', { class: 'lead' })
  const when = h('p', { class: 'note' })
  const snapshot = h('p')
  const files = h('div')
  const facts = h('dl', { class: 'facts small' })
  const found = h('div', { class: 'evidence' })
  const element = h('div', { class: 'page incident-page' }, back(), h('section', { class: 'verdict', 'aria-label': 'Incident' }, title, because, when, facts, snapshot, files), found)
  return {
    element,
    title: `Incident ${id}`,
    focus: title,
    update ({ incident, incidents }) {
      if (incident?.id !== id) return // not yet, or still the one that was shown before
      say(title, incident.reason)
      say(because, incident.trip?.because ?? 'Asked for by hand.')
      say(when, `${moment(incident.at)} · ${incident.id}`)
      say(snapshot, snapshotText(incident.heapSnapshot))
      whenChanged(facts, incident.trip, () => replace(facts, tripFacts(incident.trip, links.route)))
      const listed = incidents?.find((one) => one.id === id)?.files
      whenChanged(files, listed, () => replace(files, fileList(listed)))
      whenChanged(found, [incident.heapSnapshot?.state, incident.shadow?.state, incident.analysis === null, incident.stack], () => replace(found, evidence(incident)))
    },
    close () {}
  }
}

function back () {
  return h('nav', { 'aria-label': 'Way back' }, h('a', { class: 'back', href: '#/' }, '← All routes'))
}

/** Sections side by side where there is room. */
function side (parts) {
  return {
    element: h('div', { class: 'side' }, parts.map(({ element }) => element)),
    update: (state) => { for (const part of parts) part.update(state) }
  }
}

function page (name, parts) {
  return {
    element: h('div', { class: `page ${name}` }, parts.map(({ element }) => element)),
    title: undefined,
    update: (state) => { for (const part of parts) part.update(state) },
    close: () => { for (const part of parts) part.close?.() }
  }
}
