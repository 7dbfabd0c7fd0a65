// Which span the charts show.

import { h } from './dom.js'

/** Spans, in minutes; 0: since the start of the process. */
const SPANS = [[0, 'since the start'], [120, 'last 2 hours'], [15, 'last 15 minutes'], [1, 'last minute']]
/** Spans that go beyond this process: all of the service's, from the history. */
const LONG = [[1440, 'last day'], [10_080, 'last week'], [43_200, 'last month']]

/** A list to choose from. @param {{ minutes: number, choose: (minutes: number) => void }} range */
export function rangeSelect ({ minutes, choose }) {
  const options = (spans) => spans.map(([value, label]) => h('option', { value, selected: value === minutes }, label))
  return h('select', { 'aria-label': 'Span of the charts', onchange: ({ target }) => choose(Number(target.value)) },
    h('optgroup', { label: 'this process' }, options(SPANS)), h('optgroup', { label: 'all processes, from the history' }, options(LONG)))
}

/** Whether a span is answered from the history. */
export function isLong (minutes) {
  return LONG.some(([long]) => long === minutes)
}
