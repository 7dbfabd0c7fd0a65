'use strict'

// The live table: one line per route, from the report and from what earlier reports said. Pure: text out, nothing printed.

const { bytes, count, estimate, sparkline } = require('./format.js')

const SPARK_MIN = 8
const SPARK_MAX = 30
const RESOURCES = ['heap', 'listeners', 'timers']
const NOTHING = '·'

/** p95 of each route over time. */
class History {
  #uptimeMs = -1
  #byRoute = new Map()

  /** Takes in a report; the same one again changes nothing. */
  add (report) {
    if (report.process.uptimeMs === this.#uptimeMs) return
    this.#uptimeMs = report.process.uptimeMs
    for (const { route, recentMs } of report.routes) {
      if (recentMs === undefined || recentMs.count === 0) continue
      if (!this.#byRoute.has(route)) this.#byRoute.set(route, [])
      this.#byRoute.get(route).push(recentMs.p95)
    }
  }

  of (route) {
    return this.#byRoute.get(route) ?? []
  }
}

/**
 * @param {object} report
 * @param {History} history
 * @param {{ columns: number, color: boolean, fullBarMs: number }} look fullBarMs: the p95 that fills a bar
 * @returns {string[]} lines, none wider than `columns`
 */
function table (report, history, { columns, color, fullBarMs }) {
  const leaky = new Set(report.leaks.flatMap((leak) => leak.routes))
  const routes = [...report.routes].sort((a, b) => a.route.split(' ')[1].localeCompare(b.route.split(' ')[1]))
  const withIntervals = columns >= 108
  const head = ['', 'route', 'requests', ...(withIntervals ? ['p50 ms', 'p95 ms'] : ['p50', 'p95']), 'p95 over time', ...RESOURCES.map((name) => withIntervals ? `${name}/request` : name)]
  const cells = routes.map((route) => [
    leaky.has(route.route) ? '▶' : ' ',
    route.route,
    count(route.requests),
    ms(route.recentMs?.p50 ?? route.durationMs?.p50),
    ms(route.recentMs?.p95 ?? route.durationMs?.p95),
    '',
    ...RESOURCES.map((resource) => leaky.has(route.route) ? kept(route.kept?.[resource], withIntervals) : NOTHING)
  ])
  const widths = head.map((title, i) => Math.max(title.length, ...cells.map((row) => row[i].length)))
  const others = widths.reduce((sum, width, i) => i === 5 ? sum : sum + width, head.length)
  widths[5] = Math.max(SPARK_MIN, Math.min(SPARK_MAX, columns - others))
  routes.forEach((route, i) => { cells[i][5] = sparkline(history.of(route.route), widths[5], fullBarMs) })
  const line = (row) => row.map((cell, i) => (i === 1 || i === 5 ? cell.slice(0, widths[i]).padEnd(widths[i]) : cell.padStart(widths[i]))).join(' ').slice(0, columns)
  return [
    paint(line(head), '2', color),
    ...cells.map((row, i) => paint(line(row), leaky.has(routes[i].route) ? '31;1' : '', color))
  ]
}

/** One line about the process. */
function statusLine ({ report, elapsed, seconds, residentBytes }) {
  const requests = report.routes.reduce((sum, route) => sum + route.requests, 0)
  const memory = residentBytes === undefined ? '' : ` · ${bytes(residentBytes)} resident`
  return `${Math.min(elapsed, seconds).toFixed(0)} of ${seconds} s · ${count(requests)} requests${memory} · verdict: ${report.verdict}`
}

function ms (value) {
  return value === undefined ? NOTHING : value.toFixed(value < 10 ? 1 : 0)
}

// Only of routes that are reported, for an estimate alone is no verdict: of many routes one is above zero by chance.
// An interval that holds zero says nothing yet; less than a hundredth is zero as it is shown.
function kept (found, withInterval) {
  if (found === undefined || found.low < 0.01) return NOTHING
  return withInterval ? estimate(found) : estimate(found).replace(/ \(.*/, '')
}

function paint (text, code, color) {
  return color && code !== '' ? `\x1b[${code}m${text}\x1b[0m` : text
}

module.exports.History = History
module.exports.statusLine = statusLine
module.exports.table = table
