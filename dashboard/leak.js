// One leak in full: what is kept, how sure that is, who keeps it, and which witnesses agree.

import { h } from './dom.js'
import { amount, count, digits, duration, interval, moment } from './format.js'
import { culpritLine, pathBy, retainingPath } from './path.js'
import { intervalBar } from './spark.js'
import { growthText, keptEstimate, kindText, leakRoutes, witnessTitle } from './words.js'

/** @param {object} leak @param {{ titled?: boolean }} [look] titled: with the route's name */
export function leakArticle (leak, { titled = false } = {}) {
  const kept = keptEstimate(leak)
  const level = titled ? 'h4' : 'h2'
  return h('article', { class: 'leak' },
    titled ? h('h3', { class: 'route-name' }, h('span', { class: 'sign', 'aria-hidden': 'true' }, '▲ '), leakRoutes(leak)) : null,
    h('dl', { class: 'facts' },
      fact('Kept per request', h('strong', {}, amount(kept)), `95 % interval ${interval(kept)}`),
      fact('Kind', h('strong', {}, leak.kind), kindText(leak.kind)),
      fact('Confidence', h('strong', {}, digits(leak.confidence)), `since ${moment(leak.since)}`),
      fact('Growth', h('strong', {}, `${amount({ value: leak.growth.perHour, unit: leak.growth.unit })} an hour`), growthText(leak).split(',')[0]),
      leak.timeToLimitMs === undefined || leak.timeToLimitMs === null ? null : fact('Heap limit in', h('strong', {}, duration(leak.timeToLimitMs)), 'at this rate')),
    leak.routes.length > 1 ? h('p', { class: 'note' }, `The traffic of ${leak.routes.join(', ')} cannot be told apart: one of them keeps it, or several.`) : null,
    path(leak.culprit, level), witnesses(leak.evidence, level))
}

function fact (name, value, note) {
  return h('div', {}, h('dt', {}, name), h('dd', {}, value, h('span', { class: 'note' }, note)))
}

function path (culprit, level) {
  if (culprit === undefined || culprit === null) return h('p', { class: 'note' }, 'No witness has named the code yet.')
  const steps = culprit.retainingPath ?? []
  const by = pathBy(culprit)
  return h('div', { class: 'culprit-box' },
    h(level, { class: 'sub' }, 'What keeps it'),
    culprit.file === undefined || culprit.file === null ? null : culpritLine(culprit),
    steps.length === 0 ? h('p', { class: 'note' }, 'No retaining path yet: neither a walk nor a heap snapshot tells.') : retainingPath(steps),
    by === undefined || steps.length === 0 ? null : h('p', { class: 'note' }, by))
}

function witnesses (evidence, level) {
  const most = new Map()
  for (const { perRequest } of evidence) {
    if (perRequest === undefined) continue
    most.set(perRequest.unit, Math.max(most.get(perRequest.unit) ?? 0, perRequest.high ?? perRequest.value * 1.5))
  }
  return h('div', { class: 'witnesses-box' }, h(level, { class: 'sub' }, 'Witnesses'),
    h('table', { class: 'witnesses' }, h('caption', { class: 'hidden' }, 'Independent estimates of what a request keeps'),
      h('thead', {}, h('tr', {}, ['Witness', 'Kept per request', 'Interval', 'Observations', 'Requests'].map((title, i) => h('th', { scope: 'col', class: i === 0 ? undefined : i === 2 ? 'c2' : `number c${i}` }, title)))),
      h('tbody', {}, evidence.map((witness) => witnessRow(witness, most)))))
}

function witnessRow ({ by, of, perRequest, intervals, requests }, most) {
  const told = perRequest === undefined ? '–' : amount(perRequest)
  return h('tr', {},
    h('th', { scope: 'row' }, witnessTitle(by), of === undefined ? null : h('span', { class: 'note' }, String(of))),
    h('td', { class: 'number' }, told, perRequest === undefined ? null : h('span', { class: 'range' }, interval(perRequest))),
    h('td', { class: 'c2' }, perRequest === undefined ? null : intervalBar(perRequest, most.get(perRequest.unit) * 1.1 || 1, `${told}, between ${interval(perRequest)}`)),
    h('td', { class: 'number c3' }, intervals === undefined ? '–' : count(intervals)),
    h('td', { class: 'number c4' }, requests === undefined ? '–' : count(requests)))
}
