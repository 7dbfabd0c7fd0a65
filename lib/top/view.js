'use strict'

// What is on the screen, as lines. Pure: a report and what was seen before go in, text comes out.

const { bytes, clean, count, cut, digits, duration, estimate, padEnd, padStart, sparkline, width } = require('./text')

const SPARK = { min: 8, max: 24 }
const HISTORY = 120
const VERDICTS = { leaking: ['▲ LEAKING', 'red'], suspect: ['◆ SUSPECT', 'yellow'], clear: ['✓ CLEAR', 'green'], learning: ['… LEARNING', 'dim'] }
const CODES = { red: '1;31', yellow: '1;33', green: '1;32', bold: '1', dim: '2', reverse: '7' }

/** Orders of the routes, by the key that chooses them. */
const SORTS = {
  k: { name: 'kept', of: (row) => row.leak === undefined ? 0 : 1 + keptOf(row.leak).value },
  r: { name: 'requests', of: (row) => row.route.requests },
  s: { name: 'per second', of: (row) => row.perSecond ?? 0 },
  l: { name: 'latency', of: (row) => latency(row.route)?.p95 ?? -1 },
  n: { name: 'name', of: (row) => row.route.route }
}

/** What routes did from look to look: for sparklines and rates. Holds at most 500 routes. */
class History {
  #byRoute = new Map()
  #uptimeMs
  #stepMs

  /** Takes in a report; the same one again changes nothing. */
  add (report) {
    const { uptimeMs } = report.process
    if (uptimeMs === this.#uptimeMs) return
    if (uptimeMs < this.#uptimeMs) this.#byRoute.clear() // another process
    this.#stepMs = uptimeMs - (this.#uptimeMs ?? uptimeMs)
    this.#uptimeMs = uptimeMs
    for (const route of report.routes) {
      const known = this.#byRoute.get(route.route)
      if (known === undefined && this.#byRoute.size >= 500) continue
      const { p95, requests } = known ?? { p95: [] }
      this.#byRoute.set(route.route, {
        p95: [...p95, route.recentMs?.count > 0 ? route.recentMs.p95 : null].slice(-HISTORY),
        requests: route.requests,
        perSecond: requests === undefined || this.#stepMs <= 0 ? undefined : Math.max(0, route.requests - requests) / this.#stepMs * 1000
      })
    }
  }

  of (route) {
    return this.#byRoute.get(route) ?? { p95: [] }
  }
}

/**
 * @param {{ report: object, stats?: object, series?: object, from: string, silence?: string }} seen silence: why there is no newer one
 * @param {History} history
 * @param {{ columns: number, rows?: number, color: boolean, sort: string, top?: number, keys: boolean }} look rows: absent when all may be shown
 * @returns {string[]} lines, none wider than `columns`
 */
function view ({ report, stats, series, from, silence }, history, look) {
  const { columns, rows, color } = look
  const paint = (text, code) => color && code !== undefined ? `\x1b[${CODES[code]}m${text}\x1b[0m` : text
  const line = (text, code) => paint(cut(text, columns), code)
  const { process } = report
  const head = [
    line(`leakprobe top · ${clean(process.service)} · pid ${process.pid} · node ${clean(process.node)} · up ${duration(process.uptimeMs)} · ${from}`, 'dim'),
    verdictLine(report, columns, paint),
    ...processLines(report, stats, series).map((text) => line(text)),
    line(hypothesesLine(report), 'dim'),
    ...(silence === undefined ? [] : [line(silence, 'yellow')]),
    ''
  ]
  const foot = look.keys ? [line(`q quit  sort by ${Object.entries(SORTS).map(([key, { name }]) => key === look.sort ? `[${key} ${name}]` : `${key} ${name}`).join('  ')}  ↑↓ scroll`, 'dim')] : []
  const body = table(report, history, look, paint)
  if (rows === undefined) return [...head, ...body, ...foot]
  const room = Math.max(1, rows - head.length - foot.length - 1)
  const top = Math.max(0, Math.min(look.top ?? 0, body.length - 1 - room))
  return [...head, body[0], ...body.slice(1 + top, 1 + top + room), ...foot].slice(0, rows)
}

function verdictLine (report, columns, paint) {
  const [word, code] = VERDICTS[report.verdict] ?? [clean(report.verdict), 'bold']
  return `${paint(word, code)}  ${cut(sentence(report), Math.max(0, columns - width(word) - 2))}`
}

function sentence (report) {
  const [leak, ...more] = report.leaks
  if (report.verdict === 'leaking' && leak !== undefined) {
    const rest = more.length === 0 ? '' : `; ${more.length} more ${more.length === 1 ? 'leak' : 'leaks'}`
    const limit = leak.timeToLimitMs === undefined || leak.timeToLimitMs === null ? '' : `; heap limit in ${duration(leak.timeToLimitMs)}`
    return `${clean(leak.routes.join(' or '))} keeps ${estimate(keptOf(leak))} per request${rest}${limit}`
  }
  return { suspect: 'something grows, and no route can be named yet', clear: 'nothing leaks, as far as the data tell', learning: 'not enough data yet' }[report.verdict] ?? ''
}

function processLines (report, stats, series) {
  const parts = []
  const { heap, process, gc, inFlight } = stats ?? {}
  if (heap !== undefined && heap !== null) parts.push(`heap ${bytes(heap.used)} of ${bytes(heap.limit)}${gc?.floor === undefined || gc.floor === null ? '' : `, floor ${bytes(gc.floor)}${heap.liveLimit === undefined ? '' : ` of ${bytes(heap.liveLimit)}`}`}`)
  if (typeof process?.rss === 'number') parts.push(`resident ${bytes(process.rss)}`)
  const last = (name) => series?.process?.[name]?.findLast((value) => value !== null && value !== undefined)
  const cpu = last('cpuShare')
  const late = stats?.eventLoop?.silentMs ?? series?.process?.loopStallMs?.at(-1)
  if (cpu !== undefined) parts.push(`cpu ${digits(cpu * 100)} %`)
  if (typeof late === 'number') parts.push(late >= 500 ? `EVENT LOOP STANDS STILL FOR ${duration(late)}` : `loop late ${duration(late)}`)
  if (inFlight !== undefined) parts.push(`${count(inFlight.count)} in flight`)
  const cost = report.cost
  const own = `own cost ${bytes(cost.bytes)}, pauses ${duration(cost.pauseMs.total)}`
  return parts.length === 0 ? [own] : [`${parts.join(' · ')} · ${own}`]
}

function hypothesesLine (report) {
  const of = (state) => report.hypotheses.filter((one) => one.state === state)
  const supported = of('supported').map(({ name }) => clean(name))
  return `${supported.length === 0 ? 'no other cause is supported' : `supported: ${supported.join(', ')}`} · ${of('ruled out').length} ruled out · ${of('not enough data').length} without enough data`
}

function table (report, history, { columns, sort, color }, paint) {
  const list = report.routes.map((route) => ({ route, leak: report.leaks.find(({ routes }) => routes.includes(route.route)), ...history.of(route.route) }))
  const { of, name } = SORTS[sort]
  list.sort((one, other) => (name === 'name' ? of(one).localeCompare(of(other)) : of(other) - of(one)) || other.route.requests - one.route.requests)
  const narrow = columns < 100
  const head = ['', 'ROUTE', 'REQUESTS', '/S', ...(narrow ? [] : ['MEDIAN']), '95 %', '95 % OVER TIME', narrow ? 'KEPT' : 'KEPT PER REQUEST']
  const spark = head.indexOf('95 % OVER TIME')
  const cells = list.map((row) => [
    row.leak === undefined ? ' ' : '▲', clean(row.route.route), count(row.route.requests), row.perSecond === undefined ? '–' : digits(row.perSecond),
    ...(narrow ? [] : [ms(latency(row.route)?.p50)]), ms(latency(row.route)?.p95), '', kept(row, narrow)
  ])
  const widths = head.map((title, i) => Math.max(i === spark ? 0 : width(title), ...cells.map((row) => width(row[i]))))
  widths[1] = Math.min(widths[1], Math.max(16, Math.floor(columns * 0.4)))
  const others = widths.reduce((sum, one, i) => i === spark ? sum : sum + one, 2 * (head.length - 1) - 1)
  widths[spark] = Math.min(SPARK.max, columns - others)
  const shown = widths[spark] >= SPARK.min
  const draw = (row, values) => cut(row.flatMap((cell, i) => {
    if (i === spark) return shown ? [padEnd(values === undefined ? cut(cell, widths[i]) : padStart(sparkline(values, widths[i]), widths[i]), widths[i])] : []
    return [i <= 1 ? padEnd(cut(cell, widths[i]), widths[i]) : padStart(cell, widths[i])]
  }).map((cell, i) => i === 0 ? cell : `${i === 1 ? ' ' : '  '}${cell}`).join('').trimEnd(), columns)
  return [paint(draw(head), color ? 'reverse' : undefined), ...cells.map((row, i) => paint(draw(row, list[i].p95), list[i].leak === undefined ? undefined : 'red'))]
}

// Of routes that are reported only: of many estimates one is above zero by chance.
function kept ({ route, leak }, narrow) {
  if (leak === undefined) return route.kept === undefined ? '–' : '·'
  const text = estimate(keptOf(leak))
  return narrow ? text.replace(/ \(.*/, '') : text
}

/** Listeners and timers as such, where a witness counted them. */
function keptOf (leak) {
  const of = { listener: 'listeners', timer: 'timers' }[leak.kind]
  return leak.evidence?.find((witness) => witness.of === of && witness.perRequest !== undefined)?.perRequest ?? leak.perRequest
}

function latency (route) {
  return route.recentMs?.count > 0 ? route.recentMs : route.durationMs
}

function ms (value) {
  return value === undefined ? '–' : duration(value)
}

module.exports = { History, SORTS, view }
