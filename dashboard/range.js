// Which span the charts show.

import { h } from './dom.js'

/** Spans, in minutes; 0: since the start of the process. */
const SPANS = [[0, 'since the start'], [120, 'last 2 hours'], [15, 'last 15 minutes'], [1, 'last minute']]

/** A list to choose from. @param {{ minutes: number, choose: (minutes: number) => void }} range */
export function rangeSelect ({ minutes, choose }) {
  return h('select', { 'aria-label': 'Span of the charts', onchange: ({ target }) => choose(Number(target.value)) },
    SPANS.map(([value, label]) => h('option', { value, selected: value === minutes }, label)))
}
