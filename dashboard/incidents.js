// Incidents: the list with downloads, and the evidence of one.

import { h, replace, whenChanged } from './dom.js'
import { bytes, count, digits, duration, moment } from './format.js'
import { retainingPath } from './path.js'
import { place } from './words.js'

const MOST_PLACES = 8

/** @param {{ link: (id: string) => string, only?: (incident: object) => boolean, capture?: (heapSnapshot: boolean) => Promise<unknown> }} options */
export function incidentsSection ({ link, only = () => true, capture }) {
  const list = h('ul', { class: 'incidents' })
  const button = capture === undefined ? null : captureButton(capture)
  const element = h('section', { 'aria-labelledby': 'incidents-title' }, h('div', { class: 'head' }, h('h2', { id: 'incidents-title' }, 'Incidents'), button), list)
  return {
    element,
    update ({ incidents }) {
      const shown = (incidents ?? []).filter(only)
      whenChanged(list, shown, () => replace(list, shown.length === 0 ? h('li', { class: 'note' }, 'None was written yet.') : shown.map((incident) => item(incident, link))))
    }
  }
}

function item (incident, link) {
  return h('li', {},
    h('p', { class: 'title' }, h('a', { class: 'name', href: link(incident.id) }, incident.reason), h('time', { datetime: incident.at, class: 'state' }, moment(incident.at))),
    incident.because === null || incident.because === undefined ? null : h('p', { class: 'because' }, incident.because),
    h('p', { class: 'note' }, snapshotText(incident.heapSnapshot)), fileList(incident.files))
}

/** Files with their sizes; a heap snapshot that may not be served says so. */
export function fileList (files) {
  if (files === undefined || files.length === 0) return null
  return h('ul', { class: 'files' }, files.map(({ name, bytes: size, allowed, href }) => h('li', {}, href === undefined ? name : allowed
    ? h('a', { href, download: name }, name)
    : h('span', { class: 'refused', title: 'A heap snapshot holds the contents of strings. It is served when it is redacted, or with serveHeapSnapshots.' }, `${name} (not served)`),
  h('span', { class: 'note' }, bytes(size)))))
}

function captureButton (capture) {
  const said = h('span', { class: 'note', role: 'status' })
  const run = (heapSnapshot) => async () => {
    replace(said, 'asked …')
    try {
      await capture(heapSnapshot)
      replace(said, 'being written')
    } catch (error) {
      replace(said, error.message)
    }
  }
  return h('div', { class: 'actions' }, said, h('button', { type: 'button', onclick: run(false) }, 'Capture evidence'), h('button', { type: 'button', onclick: run(true) }, 'with heap snapshot'))
}

/** The state of a heap snapshot in a sentence. */
export function snapshotText (snapshot) {
  switch (snapshot?.state) {
    case 'written': return `Heap snapshot of ${bytes(snapshot.compressedBytes ?? 0)}${snapshot.nodeCount === undefined ? '' : `, ${count(snapshot.nodeCount)} objects`}; the app paused for ${duration(snapshot.pauseMs ?? 0)}.`
    case 'pending': return 'The heap snapshot is being written.'
    case 'refused': case 'failed': return `No heap snapshot: ${snapshot.because}.`
    default: return 'No heap snapshot was asked for.'
  }
}

/** What tripped, as terms and values. */
export function tripFacts (trip, link) {
  if (trip === undefined || trip === null) return []
  const number = (value) => trip.unit === 'ms' ? duration(value) : trip.unit === 'bytes' ? bytes(value) : `${digits(value)}${trip.unit === undefined ? '' : ` ${trip.unit}`}`
  const facts = [
    ['Trigger', trip.trigger], ['Condition', trip.condition],
    ['Route', typeof trip.route === 'string' ? (link === undefined ? trip.route : h('a', { href: link(trip.route) }, trip.route)) : undefined],
    ['Value', typeof trip.value === 'number' ? number(trip.value) : undefined], ['Threshold', typeof trip.threshold === 'number' ? number(trip.threshold) : undefined]
  ]
  return facts.filter(([, value]) => value !== undefined && value !== null).map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value)))
}

/** What was found in the heap, and the stack: of `/api/incidents/<id>`, or of the files of an incident. */
export function evidence ({ shadow, floor, analysis, stack }) {
  return [
    gathered(analysis),
    floor === undefined || floor === null ? null : h('section', {}, h('h2', {}, 'Floor in the shadow'), h('p', {}, `${bytes(floor.heapUsed)} live, ${bytes(floor.external)} external.`), watched(floor.watched)),
    stack === undefined || stack === null || stack === '' ? null : h('section', {}, h('h2', {}, 'Stack of the app thread'), h('pre', { tabindex: 0, 'aria-label': 'Stack' }, stack)),
    shadow?.because === undefined ? null : h('p', { class: 'note' }, `Shadow: ${shadow.state}, ${shadow.because}`)
  ]
}

function watched (list) {
  const alive = (list ?? []).filter((one) => one.alive > 0)
  if ((list ?? []).length === 0) return null
  return h('p', { class: 'note' }, alive.length === 0
    ? `None of ${count(list.reduce((sum, one) => sum + one.watched, 0))} watched requests that ended is alive.`
    : `Still alive after their end: ${alive.map((one) => `${one.alive} of ${one.watched} of ${one.route}`).join('; ')}.`)
}

/** Where objects gather: as the walk tells, whose paths begin at the app's own variables, else as the heap snapshot's analysis does. */
function gathered (analysis) {
  const walked = (analysis?.walk?.holders ?? []).map(({ class: name, count, bytes, path, culprit }) => ({ name, count, bytes, path, culprit }))
  const parsed = (analysis?.heapSnapshot?.gathering ?? []).map(({ class: name, count, bytes, retainingPath: path, file, line }) => ({ name, count, bytes, path, culprit: { file, line } }))
  const places = (walked.length > 0 ? walked : parsed).slice(0, MOST_PLACES)
  if (places.length === 0) return null
  return h('section', {}, h('h2', {}, 'Where objects gather'), h('ul', { class: 'gathering' }, places.map((one, i) => h('li', {},
    h('p', { class: 'title' }, h('span', { class: 'name' }, `${count(one.count)} × ${one.name}`), h('span', { class: 'state' }, bytes(one.bytes))),
    (one.path ?? []).length === 0 ? null : h('details', { open: i === 0 }, h('summary', {}, typeof one.culprit?.file === 'string' ? place(one.culprit) : 'Retaining path'), retainingPath(one.path, 'gathers here'))))))
}
