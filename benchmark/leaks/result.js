'use strict'

// The scorer's results as a table and as shares. A question that a case does not ask (null) counts nowhere.

/** Shares of right answers; `secondsToVerdict` is the median over leaky runs that got the routes right. */
function summarise (results) {
  const leaky = results.filter(isLeaky)
  const times = leaky.map(({ secondsToVerdict }) => secondsToVerdict).filter((time) => typeof time === 'number').sort((a, b) => a - b)
  return {
    route: share(leaky, 'ok'),
    kind: share(leaky, 'kind'),
    amount: share(leaky, 'amount'),
    slowdown: share(leaky, 'slowdown'),
    culprit: share(leaky, 'culprit'),
    quiet: share(results.filter((result) => !isLeaky(result)), 'ok'),
    secondsToVerdict: times[times.length >> 1] ?? null
  }
}

/** Markdown, so that it can be put into the docs as it is. */
function table (results) {
  const head = ['case', 'seed', 'variant', 'route', 'kind', 'amount', 'slowdown', 'culprit', 'quiet', 's to verdict', 'reported', 'why not']
  const rows = results.map((result) => [
    result.case,
    `${result.seed}`,
    result.variant,
    isLeaky(result) ? mark(result.ok) : '',
    mark(result.kind),
    mark(result.amount),
    mark(result.slowdown),
    mark(result.culprit),
    isLeaky(result) ? '' : mark(result.ok),
    typeof result.secondsToVerdict === 'number' ? result.secondsToVerdict.toFixed(0) : '',
    result.leaks.map(({ routes, kind, perRequest }) => `${kind} ${routes.join(' + ')}: ${amount(perRequest)}`).join('; '),
    result.why ?? ''
  ])
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column].length)))
  const line = (cells) => `| ${cells.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`
  return [line(head), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...rows.map(line)].join('\n')
}

function totals (score) {
  const parts = ['route', 'kind', 'amount', 'slowdown', 'culprit', 'quiet']
    .filter((name) => score[name] !== null)
    .map((name) => `${name} ${score[name].right} of ${score[name].of} (${(100 * score[name].share).toFixed(0)} %)`)
  if (score.secondsToVerdict !== null) parts.push(`median ${score.secondsToVerdict.toFixed(0)} s to the verdict`)
  return parts.join(', ')
}

function isLeaky ({ case: name, variant }) {
  return variant === 'leaky' && !name.startsWith('neg-')
}

function share (results, name) {
  const asked = results.filter((result) => typeof result[name] === 'boolean')
  if (asked.length === 0) return null
  const right = asked.filter((result) => result[name]).length
  return { of: asked.length, right, share: right / asked.length }
}

function mark (answer) {
  return answer === true ? '✓' : answer === false ? '✗' : ''
}

function amount (perRequest) {
  return perRequest === undefined ? '?' : `${Number(perRequest.value.toPrecision(3))} ${perRequest.unit}`
}

module.exports.summarise = summarise
module.exports.table = table
module.exports.totals = totals
