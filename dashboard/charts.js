// Larger charts over time, drawn by uPlot, each a figure with a title and a legend that says the numbers.

/* global uPlot */

import { h, replace, say } from './dom.js'
import { clock, short } from './format.js'

const SYNC = 'time'
const HEAT = { height: 260 }
const DAY_S = 86_400
const dark = matchMedia('(prefers-color-scheme: dark)')
const charts = new Set()

// Colours are read from the stylesheet when a chart is made, so another scheme means other charts.
dark.addEventListener('change', () => { for (const { place, build } of charts) if (place.isConnected) build() })

const resized = new ResizeObserver((entries) => {
  for (const { target } of entries) if (width(target) > 0) for (const { place, fit } of charts) if (place === target) fit()
})

/** Draws it anew for other colours, and fits it into another width, until the function that comes back is called. */
function remember (place, build, fit) {
  const chart = { place, build, fit }
  charts.add(chart)
  resized.observe(place)
  return () => {
    charts.delete(chart)
    resized.unobserve(place)
  }
}

/**
 * A chart over time.
 * @param {{ title: string, height?: number, format: (value: number) => string, stacked?: boolean,
 *   series: Array<{ label: string, color: string, dash?: number[] }> }} spec color: a variable of the stylesheet
 * @returns {{ element: HTMLElement, update: (times: number[], columns: Array<Array<number | null>>, summary?: string) => void, close: () => void }}
 */
export function timeChart (spec) {
  const place = h('div', { class: 'plot', role: 'img', 'aria-label': `${spec.title}: no data yet` })
  const values = spec.series.map(() => h('span', { class: 'value' }))
  const at = h('span', { class: 'at' })
  const legend = h('ul', { class: 'legend' }, spec.series.map(({ label, color, dash }, i) =>
    h('li', {}, h('span', { class: `swatch ${dash === undefined ? '' : 'dashed'}`, 'data-color': color }), h('span', { class: 'label' }, label), values[i])))
  const nothing = h('p', { class: 'note' }, 'No data yet.')
  const element = h('figure', { class: 'chart' }, h('figcaption', {}, h('span', { class: 'title' }, spec.title), at), nothing, place, legend)
  let plot
  let data
  let columns = []
  const tell = (index) => {
    const i = index ?? lastKnown(columns)
    say(at, index === null || index === undefined ? '' : clock(data[0][index] * 1000))
    columns.forEach((column, s) => {
      const value = i === undefined ? undefined : column[i] ?? (index === undefined || index === null ? column.findLast((one) => one !== null && one !== undefined) : null)
      say(values[s], value === undefined || value === null ? '–' : spec.format(value))
    })
  }
  const build = () => {
    plot?.destroy()
    plot = undefined
    for (const swatch of legend.querySelectorAll('.swatch')) swatch.style.setProperty('--swatch', color(swatch.dataset.color))
    nothing.hidden = lastKnown(columns) !== undefined
    if (data === undefined || data[0].length < 2 || !nothing.hidden) return
    plot = new uPlot(options(spec, width(place), { setCursor: [({ cursor }) => tell(cursor.idx)] }), data, place)
  }
  const forget = remember(place, build, () => plot?.setSize({ width: width(place), height: plotHeight(spec) }))
  return {
    element,
    update (times, given, summary) {
      columns = given.map((column) => column.map((value) => value ?? null))
      const drawn = spec.stacked ? stack(columns) : columns
      data = [times.map((time) => time / 1000), ...drawn]
      say(nothing, summary ?? 'No data yet.')
      if (plot === undefined || lastKnown(columns) === undefined) build()
      else plot.setData(data)
      tell(plot?.cursor.idx)
      place.setAttribute('aria-label', `${spec.title}. ${summary ?? spec.series.map(({ label }, s) => `${label}: ${values[s].textContent}`).join(', ')}`)
    },
    close () {
      forget()
      plot?.destroy()
    }
  }
}

/**
 * How many requests took how long, over time: darker is more.
 * @returns {{ element: HTMLElement, update: (series: { times: number[], stepMs: number, heat: { boundsMs: Array<number | null>, counts: number[][] } | null }, format: (ms: number) => string) => void, close: () => void }}
 */
export function heatMap (title) {
  const place = h('div', { class: 'plot', role: 'img', 'aria-label': `${title}: no data yet` })
  const at = h('span', { class: 'at' })
  const note = h('p', { class: 'note' })
  const element = h('figure', { class: 'chart heat' }, h('figcaption', {}, h('span', { class: 'title' }, title), at), place, note)
  let plot
  let cells
  const build = () => {
    plot?.destroy()
    plot = undefined
    if (cells === undefined || cells.times.length < 2) return
    const ramp = color('--heat')
    plot = new uPlot({
      ...options({ series: [{ label: '', color: '--heat' }], format: (index) => cells.label(index), ...HEAT }, width(place), {
        draw: [(self) => drawCells(self, cells, ramp)],
        setCursor: [({ cursor }) => say(at, cursor.idx === null || cursor.idx === undefined ? '' : cells.tell(cursor.idx))]
      }),
      scales: { x: { time: true, range: (self, from, to) => [from, to + cells.step] }, y: { range: () => [0, cells.rows] } },
      series: [{}, { show: true, paths: () => null, points: { show: false } }]
    }, [cells.times, cells.times.map(() => 0)], place)
  }
  const forget = remember(place, build, () => plot?.setSize({ width: width(place), height: plotHeight(HEAT) }))
  return {
    element,
    update ({ times, stepMs, heat }, format) {
      if (heat === null || heat === undefined || times.length < 2) {
        say(note, 'Not enough requests yet.')
        return
      }
      cells = readCells(times, stepMs, heat, format)
      if (plot === undefined) build()
      else plot.setData([cells.times, cells.times.map(() => 0)])
      say(note, cells.summary)
      place.setAttribute('aria-label', `${title}. ${cells.summary}`)
    },
    close () {
      forget()
      plot?.destroy()
    }
  }
}

/** The rows that hold anything, and the largest count. */
function readCells (times, stepMs, { boundsMs, counts }, format) {
  const totals = boundsMs.map((_, row) => counts.reduce((sum, column) => sum + (column?.[row] ?? 0), 0))
  const used = totals.flatMap((total, row) => total > 0 ? [row] : [])
  const first = Math.max(0, (used[0] ?? 0) - 1)
  const last = Math.min(boundsMs.length - 1, (used.at(-1) ?? 0) + 1)
  const most = Math.max(1, ...counts.flatMap((column) => column ?? []))
  const bound = (row) => row < 0 ? 0 : boundsMs[row]
  const range = (row) => bound(row) === null ? `over ${short(format(bound(row - 1)))}` : `${short(format(bound(row - 1)))} to ${short(format(bound(row)))}`
  const busiest = totals.indexOf(Math.max(...totals))
  const requests = totals.reduce((sum, total) => sum + total, 0)
  return {
    times: times.map((time) => time / 1000),
    step: stepMs / 1000,
    counts,
    first,
    rows: last - first + 1,
    most,
    label: (index) => index + first === 0 ? '0' : Number.isInteger(index) && bound(index + first - 1) !== null ? format(bound(index + first - 1)) : '',
    tell (i) {
      const column = counts[i] ?? []
      const total = column.reduce((sum, value) => sum + value, 0)
      const top = column.indexOf(Math.max(...column))
      return `${clock(times[i])}: ${total === 0 ? 'no requests' : `${total} requests, most ${range(top)}`}`
    },
    summary: requests === 0 ? 'No requests in this time.' : `Darker is more. Most of ${requests.toLocaleString('en-US')} requests took ${range(busiest)}; the slowest ${range(used.at(-1))}.`
  }
}

function drawCells (self, cells, ramp) {
  const { ctx } = self
  const { times, step, counts, first, rows, most } = cells
  const { left: x, top: y, width: wide, height: high } = self.bbox
  ctx.save()
  ctx.beginPath()
  ctx.rect(x, y, wide, high)
  ctx.clip()
  ctx.fillStyle = ramp
  for (let i = 0; i < times.length; i++) {
    const left = Math.round(self.valToPos(times[i], 'x', true))
    const right = Math.round(self.valToPos(times[i] + step, 'x', true))
    for (let row = 0; row < rows; row++) {
      const count = counts[i]?.[row + first] ?? 0
      if (count === 0) continue
      const bottom = Math.round(self.valToPos(row, 'y', true))
      const top = Math.round(self.valToPos(row + 1, 'y', true))
      ctx.globalAlpha = 0.14 + 0.86 * Math.sqrt(count / most)
      ctx.fillRect(left, top, Math.max(1, right - left), Math.max(1, bottom - top))
    }
  }
  ctx.restore()
}

function options (spec, width, hooks) {
  const ink = color('--muted')
  const line = color('--line')
  const font = `${12 * rem() / 16}px ${getComputedStyle(document.body).fontFamily}`
  const lines = spec.series.map(({ color: name, dash }) => ({
    stroke: color(name), width: spec.stacked ? 0.5 : 1.75, dash, fill: spec.stacked ? color(name) : undefined, points: spec.stacked ? { show: false } : { show: isLone, size: 5 }, spanGaps: true
  }))
  return {
    width: Math.max(80, width),
    height: plotHeight(spec),
    legend: { show: false },
    cursor: { y: false, points: { show: !spec.stacked, size: 6 }, sync: { key: SYNC }, drag: { x: false, y: false } },
    scales: { x: { time: true }, y: { range: (self, low, high) => [0, high > 0 ? high * 1.08 : 1] } },
    axes: [
      { stroke: ink, font, grid: { show: false }, ticks: { stroke: line, width: 1, size: 4 }, values: (self, splits, axis, space, step) => splits.map((at) => timeLabel(new Date(at * 1000), step)), space: 80 * rem() / 16, size: 30 * rem() / 16 },
      { stroke: ink, font, grid: { stroke: line, width: 1 }, ticks: { show: false }, size: 70 * rem() / 16, values: (self, splits) => splits.map((value) => short(spec.format(value))), space: 36 }
    ],
    series: [{}, ...(spec.stacked ? lines.toReversed() : lines)],
    hooks
  }
}

/** One value alone makes no line. */
function isLone (self, series) {
  return self.data[series].filter((value) => value !== null && value !== undefined).length === 1
}

/** Seconds where they matter, the day where one begins. */
function timeLabel (at, step) {
  const midnight = at.getHours() === 0 && at.getMinutes() === 0 && at.getSeconds() === 0
  if (step >= DAY_S || (midnight && step >= 60)) return at.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })
  return at.toLocaleTimeString('en-GB', step < 60 ? {} : { hour: '2-digit', minute: '2-digit' })
}

/** Sums from below, the largest first, as areas hide those behind them. */
function stack (columns) {
  const sums = []
  columns.reduce((below, column) => {
    const sum = column.map((value, i) => value === null ? null : value + (below?.[i] ?? 0))
    sums.unshift(sum)
    return sum
  }, undefined)
  return sums
}

function lastKnown (columns) {
  const length = columns[0]?.length ?? 0
  for (let i = length - 1; i >= 0; i--) if (columns.some((column) => column[i] !== null)) return i
}

function plotHeight ({ height = 190 }) {
  return Math.round(height * rem() / 16)
}

function rem () {
  return parseFloat(getComputedStyle(document.documentElement).fontSize)
}

function width (place) {
  return Math.floor(place.clientWidth)
}

function color (name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim()
}

/** Sums of each step as amounts a second. `lastMs`: so long the last step has lasted. */
export function perSecond (values, stepMs, lastMs = stepMs) {
  return values.map((value, i) => value === null ? null : value / (i === values.length - 1 ? lastMs : stepMs) * 1000)
}

/** Puts a note in place of a chart that has nothing to show. */
export function absent (title, why) {
  return replace(h('figure', { class: 'chart absent' }), h('figcaption', {}, h('span', { class: 'title' }, title)), h('p', { class: 'note' }, why))
}
