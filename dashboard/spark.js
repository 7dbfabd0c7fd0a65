// Small drawings in the flow of text: a line over time, an interval. SVG, so that they are sharp and take the text's colours.

import { svg } from './dom.js'

const WIDTH = 120
const HEIGHT = 28
const MOST = 90

/** A line over time; `update(values)` takes numbers and nulls, `title` is read out. */
export function sparkline (kind) {
  const area = svg('path', { class: 'area' })
  const line = svg('path', { class: 'line' })
  const title = svg('title')
  const element = svg('svg', { class: `spark of-${kind}`, viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': 'no data yet', preserveAspectRatio: 'none' }, title, area, line)
  return {
    element,
    update (values, label) {
      const kept = squeeze(values)
      const known = kept.filter((value) => value !== null)
      element.setAttribute('aria-label', known.length === 0 ? 'no data yet' : label)
      title.textContent = known.length === 0 ? 'no data yet' : label
      if (known.length < 2) {
        for (const part of [area, line]) part.removeAttribute('d')
        return
      }
      const top = Math.max(...known) || 1
      const x = (i) => (i / (kept.length - 1) * (WIDTH - 4) + 2).toFixed(1)
      const y = (value) => (HEIGHT - 3 - value / top * (HEIGHT - 6)).toFixed(1)
      const points = kept.flatMap((value, i) => value === null ? [] : [`${x(i)} ${y(value)}`])
      line.setAttribute('d', `M${points.join('L')}`)
      const ends = [points[0], points.at(-1)].map((point) => point.split(' ')[0])
      area.setAttribute('d', `M${ends[0]} ${HEIGHT}L${points.join('L')}L${ends[1]} ${HEIGHT}Z`)
    }
  }
}

/** At most MOST values, neighbours as their mean. */
function squeeze (values) {
  if (values.length <= MOST) return values.map((value) => value ?? null)
  return Array.from({ length: MOST }, (_, i) => {
    const group = values.slice(Math.floor(i * values.length / MOST), Math.floor((i + 1) * values.length / MOST)).filter((value) => value !== null && value !== undefined)
    return group.length === 0 ? null : group.reduce((sum, value) => sum + value, 0) / group.length
  })
}

/** An interval on a scale from 0 to `most`: a bar from low to high and a mark at the value. */
export function intervalBar ({ value, low, high }, most, label) {
  const x = (number) => Math.max(0, Math.min(WIDTH, number / most * WIDTH))
  const end = high === null ? WIDTH : x(high)
  return svg('svg', { class: 'interval', viewBox: `0 0 ${WIDTH} 16`, role: 'img', 'aria-label': label },
    svg('path', { class: 'base', d: `M0 8H${WIDTH}` }),
    svg('path', { class: 'range', d: `M${x(low).toFixed(1)} 8H${Math.max(end, x(low) + 1).toFixed(1)}` }),
    svg('path', { class: 'mark', d: `M${x(value).toFixed(1)} 2V14` }))
}
