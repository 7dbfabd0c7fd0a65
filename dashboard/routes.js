// The table of routes. Rows stay where they are in the document while numbers change, so focus and selection survive.

import { h, say } from './dom.js'
import { amount, count, duration, interval } from './format.js'
import { sparkline } from './spark.js'
import { keptEstimate, leaksOf } from './words.js'

const FIRST_ROWS = 50
const FILTER_FROM = 12

/** Columns; `key` gives what is sorted by. `down`: the first click sorts the largest first. */
const COLUMNS = [
  { name: 'route', title: 'Route', key: ({ route }) => route.route },
  { name: 'requests', title: 'Requests', key: ({ route }) => route.requests, down: true, number: true },
  { name: 'p50', title: 'Median', key: ({ route }) => latency(route)?.p50 ?? -1, down: true, number: true },
  { name: 'p95', title: '95 %', key: ({ route }) => latency(route)?.p95 ?? -1, down: true, number: true },
  { name: 'latency', title: '95 % over time' },
  { name: 'kept', title: 'Kept per request', key: keptKey, down: true, number: true },
  { name: 'memory', title: 'Kept over time' }
]

/**
 * The table.
 * @param {{ link: (route: string) => string }} options where a route's page is
 * @returns {{ element: HTMLElement, update: (state: { report: object, stats?: object, series?: object }) => void }}
 */
export function routesTable ({ link }) {
  let sort = { name: 'kept', down: true }
  let state
  let all = false
  const rows = new Map()
  const heads = COLUMNS.map((column) => head(column, () => {
    sort = { name: column.name, down: sort.name === column.name ? !sort.down : column.down === true }
    draw()
  }))
  const body = h('tbody')
  const empty = h('p', { class: 'note', hidden: true })
  const filter = h('input', { type: 'search', placeholder: 'Find a route', 'aria-label': 'Find a route', hidden: true, oninput: () => draw() })
  const more = h('button', { type: 'button', class: 'quiet', hidden: true, onclick: () => { all = true; draw() } })
  const table = h('table', { class: 'routes' },
    h('caption', { class: 'hidden' }, 'Routes, with latency and what each request keeps. The buttons in the head sort.'),
    h('thead', {}, h('tr', {}, heads.map(({ element }) => element))), body)
  const element = h('section', { 'aria-labelledby': 'routes-title' },
    h('div', { class: 'head' }, h('h2', { id: 'routes-title' }, 'Routes'), filter), table, empty, more,
    h('p', { class: 'note legend-note' }, h('span', {}, '· nothing that can be told from zero'), h('span', {}, '– not enough data')))

  function draw () {
    if (state === undefined) return
    for (const { name, mark } of heads) mark(sort.name === name ? (sort.down ? 'descending' : 'ascending') : undefined)
    const known = state.stats?.routes ?? state.report.routes
    const wanted = filter.value.trim().toLowerCase()
    const { key } = COLUMNS.find(({ name }) => name === sort.name)
    const list = known.filter(({ route }) => route.toLowerCase().includes(wanted))
      .map((route) => ({ route, leaks: leaksOf(state.report, route.route) }))
      .sort((one, other) => compare(key(one), key(other)) * (sort.down ? -1 : 1) || other.route.requests - one.route.requests)
    const shown = all ? list : list.slice(0, FIRST_ROWS)
    filter.hidden = known.length < FILTER_FROM
    more.hidden = shown.length === list.length
    say(more, `Show all ${count(list.length)} routes`)
    empty.hidden = list.length > 0
    say(empty, known.length === 0 ? 'No request has ended yet.' : 'No route has that in its name.')
    table.hidden = list.length === 0
    table.classList.toggle('without-leaks', state.report.leaks.length === 0)
    table.classList.toggle('without-series', state.series === undefined)
    const series = new Map((state.series?.routes ?? []).map((one) => [one.route, one]))
    const elements = shown.map(({ route, leaks }) => {
      if (!rows.has(route.route)) rows.set(route.route, row(route.route, link(route.route)))
      const one = rows.get(route.route)
      one.update(route, leaks, series.get(route.route))
      return one.element
    })
    if (elements.length !== body.children.length || elements.some((one, i) => body.children[i] !== one)) reorder(body, elements)
    for (const name of rows.keys()) if (!known.some(({ route }) => route === name)) rows.delete(name)
  }

  return { element, update: (next) => { state = next; draw() } }
}

function head ({ name, title, key, number }, sort) {
  const classes = `${name}${number ? ' number' : ''}`
  if (key === undefined) return { name, element: h('th', { scope: 'col', class: classes }, title), mark: () => {} }
  const arrow = h('span', { class: 'arrow', 'aria-hidden': 'true' })
  const element = h('th', { scope: 'col', class: classes }, h('button', { type: 'button', onclick: sort }, title, arrow))
  return {
    name,
    element,
    mark (order) {
      if (order === undefined) element.removeAttribute('aria-sort')
      else element.setAttribute('aria-sort', order)
      say(arrow, order === undefined ? '' : order === 'descending' ? '↓' : '↑')
    }
  }
}

function row (name, href) {
  const badge = h('span', { class: 'badge', hidden: true }, h('span', { 'aria-hidden': 'true' }, '▲ '), 'leaks')
  const cells = Object.fromEntries(['requests', 'p50', 'p95'].map((column) => [column, h('td', { class: `number ${column}` })]))
  const latencyLine = sparkline('latency')
  const keptLine = sparkline('kept')
  const value = h('span', { class: 'value' })
  const range = h('span', { class: 'range' })
  const element = h('tr', {},
    h('th', { scope: 'row', class: 'route' }, h('div', {}, h('a', { href, title: name }, name), badge)), cells.requests, cells.p50, cells.p95,
    h('td', { class: 'latency' }, latencyLine.element), h('td', { class: 'number kept' }, value, range), h('td', { class: 'memory' }, keptLine.element))
  return {
    element,
    update (route, leaks, series) {
      const recent = latency(route)
      element.classList.toggle('leaky', leaks.length > 0)
      badge.hidden = leaks.length === 0
      say(cells.requests, count(route.requests))
      say(cells.p50, recent === undefined ? '–' : duration(recent.p50))
      say(cells.p95, recent === undefined ? '–' : duration(recent.p95))
      // An estimate alone is no verdict: of many routes one is above zero by chance.
      const kept = leaks.length > 0 ? keptEstimate(leaks[0]) : undefined
      say(value, kept !== undefined ? amount(kept) : route.kept === undefined ? '–' : '·')
      say(range, kept === undefined ? '' : interval(kept))
      latencyLine.update(series?.p95Ms ?? [], `95 % over time: now ${recent === undefined ? 'unknown' : duration(recent.p95)}`)
      keptLine.update(leaks.length > 0 ? series?.keptBytesPerRequest ?? [] : [], kept === undefined ? 'nothing kept' : `kept per request over time: now ${amount(kept)}`)
    }
  }
}

/** Puts the rows in order without taking the focus from the one that has it. */
function reorder (body, elements) {
  const focused = body.contains(document.activeElement) ? document.activeElement : null
  body.replaceChildren(...elements)
  if (focused?.isConnected) focused.focus({ preventScroll: true })
}

function latency (route) {
  return route.recentMs?.count > 0 ? route.recentMs : route.durationMs
}

/** Routes that leak before all others, then by what they keep; heaps are compared in bytes, the others in their counts. */
function keptKey ({ route, leaks }) {
  if (leaks.length === 0) return 0
  const bytes = leaks.find(({ perRequest }) => perRequest.unit === 'bytes') ?? leaks[0]
  return 1 + bytes.perRequest.value
}

function compare (one, other) {
  return typeof one === 'string' ? one.localeCompare(other) : one - other
}
