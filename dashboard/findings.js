// Sections that are lists of findings: hypotheses, rules, and what leakprobe itself can do and costs.

import { h, replace, whenChanged } from './dom.js'
import { bytes, count, digits, duration } from './format.js'
import { hypothesisTitle, numberText } from './words.js'

const ORDER = ['supported', 'not enough data', 'ruled out']
const SIGNS = { supported: '▲', 'ruled out': '✕', 'not enough data': '…' }

/** The usual suspects with their numbers. */
export function hypothesesSection () {
  const list = h('ul', { class: 'hypotheses' })
  const element = h('section', { 'aria-labelledby': 'hypotheses-title' }, h('div', { class: 'head' }, h('h2', { id: 'hypotheses-title' }, 'What it is, and what it is not')), list)
  return {
    element,
    update ({ report }) {
      const sorted = [...(report.hypotheses ?? [])].sort((one, other) => ORDER.indexOf(one.state) - ORDER.indexOf(other.state))
      whenChanged(list, sorted, () => replace(list, sorted.length === 0 ? h('li', { class: 'note' }, 'None is judged yet.') : sorted.map(hypothesis)))
    }
  }
}

function hypothesis ({ name, state, because, numbers }) {
  const known = Object.entries(numbers ?? {})
  return h('li', { class: state.replaceAll(' ', '-') },
    h('p', { class: 'title' }, h('span', { class: 'sign', 'aria-hidden': 'true' }, SIGNS[state] ?? '·'), h('span', { class: 'name' }, hypothesisTitle(name)), h('span', { class: 'state' }, state)),
    h('p', { class: 'because' }, because),
    known.length === 0 ? null : h('details', {}, h('summary', {}, 'Numbers'), h('dl', { class: 'numbers' }, known.map(([key, value]) => h('div', {}, h('dt', {}, key), h('dd', {}, numberText(key, value)))))))
}

/** States of the triggers, and the budget of freezes. */
export function rulesSection () {
  const list = h('ul', { class: 'rules' })
  const budget = h('p', { class: 'note' })
  const element = h('section', { 'aria-labelledby': 'rules-title' }, h('div', { class: 'head' }, h('h2', { id: 'rules-title' }, 'Rules')), list, budget)
  return {
    element,
    update ({ stats }) {
      const rules = stats?.triggers ?? []
      whenChanged(list, rules, () => replace(list, rules.length === 0 ? h('li', { class: 'note' }, 'No trigger is set.') : rules.map(rule)))
      const used = stats?.cost?.budget
      const said = used === undefined || used === null ? '' : `In the last hour ${count(used.freezesPerHour.used)} of ${count(used.freezesPerHour.limit)} freezes, ${duration(used.pauseMsPerHour.used)} of ${duration(used.pauseMsPerHour.limit)} of pauses.`
      whenChanged(budget, said, () => replace(budget, said))
    }
  }
}

function rule ({ name, state, because, trips, throttled }) {
  return h('li', { class: state.replaceAll(' ', '-') },
    h('p', { class: 'title' }, h('span', { class: 'name' }, name), h('span', { class: 'state' }, state)),
    h('p', { class: 'because' }, because),
    trips > 0 || throttled > 0 ? h('p', { class: 'note' }, `tripped ${count(trips)} ×${throttled > 0 ? `, throttled ${count(throttled)} ×` : ''}`) : null)
}

/** What the probe costs, and what does not work natively here. */
export function probeSection () {
  const body = h('div')
  const element = h('section', { 'aria-labelledby': 'probe-title' }, h('div', { class: 'head' }, h('h2', { id: 'probe-title' }, 'The probe itself')), body)
  return {
    element,
    update ({ report, stats }) {
      const cost = stats?.cost ?? report.cost
      const missing = Object.entries(report.process.capabilities ?? {}).filter(([, { state }]) => state !== 'native')
      const dropped = Object.values(cost.dropped ?? {}).reduce((sum, value) => sum + value, 0)
      const facts = [
        ['Memory', bytes(cost.bytes)],
        ['Per request', cost.perRequestNs === undefined || cost.perRequestNs === null ? '–' : `${digits(cost.perRequestNs / 1000)} µs`],
        ['CPU in the background', cost.cpuMs === undefined || cost.cpuMs === null ? '–' : duration(cost.cpuMs)],
        ['Pauses of the app', `${duration(cost.pauseMs.total)} in all, ${duration(cost.pauseMs.max)} at most`],
        ['Dropped records', dropped === 0 ? 'none' : count(dropped)]
      ]
      whenChanged(body, [facts, missing], () => replace(body,
        h('dl', { class: 'facts small' }, facts.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value)))),
        missing.length === 0 ? h('p', { class: 'note' }, 'Everything is measured natively here.') : h('ul', { class: 'capabilities' }, missing.map(([name, { state, because }]) => h('li', {}, h('strong', {}, name), `: ${state}, ${because}`)))))
    }
  }
}
