// The page without a server: what a directory held when the page was made. The data stand in an element of the page.

import { h, replace, say } from './dom.js'
import { bytes, duration, moment, percent, plural } from './format.js'
import { VERDICTS, leakRoutes } from './words.js'
import { timeChart } from './charts.js'
import { leakArticle } from './leak.js'
import { routesTable } from './routes.js'
import { hypothesesSection, probeSection } from './findings.js'
import { evidence, fileList, snapshotText, tripFacts } from './incidents.js'
import { verdictBlock } from './verdict.js'

const data = JSON.parse(document.getElementById('data').textContent)
const state = { report: data.report, incidents: data.incidents }
const at = (id) => document.getElementById(id)
const { process } = data.report

say(at('service'), process.service)
say(at('process'), `pid ${process.pid} · node ${process.node} · up ${duration(process.uptimeMs)}`)
say(at('live'), `kept on ${moment(data.madeAt)}`)
at('live').previousElementSibling.hidden = true
document.title = `${VERDICTS[data.report.verdict]?.word ?? data.report.verdict} – ${process.service}`

const anchor = (route) => {
  const index = data.report.leaks.findIndex((leak) => leak.routes.includes(route))
  return index < 0 ? undefined : `#leak-${index}`
}
const parts = [verdictBlock(anchor), routesTable({ link: anchor }), hypothesesSection(), probeSection()]
for (const part of parts) part.update(state)
const [verdict, routes, hypotheses, probe] = parts.map(({ element }) => element)
const series = data.incidents.map((incident) => [incident, readingCharts(incident.readings ?? [])])

replace(at('main'), h('div', { class: 'page offline' }, verdict,
  data.report.leaks.length === 0 ? null : h('section', { 'aria-labelledby': 'leaks-title' }, h('div', { class: 'head' }, h('h2', { id: 'leaks-title' }, 'Leaks')),
    h('div', { class: 'leaks' }, data.report.leaks.map((leak, i) => h('div', { id: `leak-${i}`, tabindex: -1, 'aria-label': leakRoutes(leak), role: 'group' }, leakArticle(leak, { titled: true }))))),
  routes, hypotheses, (data.unread ?? []).map((why) => h('p', { class: 'note' }, `An incident could not be read: ${why}`)), series.map(([incident, charts], i) => incidentBlock(incident, charts, i)), probe))
for (const [, charts] of series) charts.draw()

function incidentBlock (incident, charts, i) {
  return h('section', { class: 'incident', 'aria-labelledby': `incident-${i}` },
    h('div', { class: 'head' }, h('h2', { id: `incident-${i}` }, `Incident ${incident.reason}`), h('p', { class: 'note' }, `${moment(incident.at)} · ${incident.id}`)),
    h('p', { class: 'lead' }, incident.trip?.because ?? 'Asked for by hand.'),
    h('dl', { class: 'facts small' }, tripFacts(incident.trip)), h('p', {}, snapshotText(incident.heapSnapshot)), fileList(incident.files),
    charts.element, h('div', { class: 'evidence' }, evidence(incident)))
}

/** The readings of the minute before, as charts. */
function readingCharts (readings) {
  if (readings.length < 2) return { element: null, draw: () => {} }
  const memory = timeChart({ title: `Memory in the ${plural(readings.length, 'reading')} before`, format: bytes, series: [{ label: 'resident', color: '--latency' }, { label: 'private', color: '--m7' }, { label: 'malloc in use', color: '--m8', dash: [5, 4] }] })
  const cpu = timeChart({ title: 'CPU in that time', format: percent, series: [{ label: 'process', color: '--latency' }, { label: 'app thread', color: '--m7' }] })
  const times = readings.map(({ at }) => Date.parse(at))
  const share = (name) => readings.map((reading, i) => i === 0 || typeof reading[name] !== 'number' ? null : Math.max(0, (reading[name] - readings[i - 1][name]) / (times[i] - times[i - 1])))
  const of = (name) => readings.map((reading) => reading[name] ?? null)
  return {
    element: h('div', { class: 'charts' }, memory.element, cpu.element),
    draw () {
      memory.update(times, [of('rss'), of('rssAnon'), of('mallocUsed')])
      cpu.update(times, [share('cpuMs'), share('appThreadCpuMs')])
    }
  }
}
