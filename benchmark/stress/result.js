'use strict'

// What a run of the stress server has to show, and how it is told.

/** At most this share of the freezes needs a second shadow; a single one says nothing of a share. */
const TRIED_AGAIN = 0.01
/** Areas that V8 maps and unmaps by itself between two looks. */
const AREAS_SLACK = 0.2

/** What went wrong, one sentence each. */
function judge ({ results, clients, server, before, after }) {
  const wrong = []
  const expectZero = (count, what) => { if (count !== 0) wrong.push(`${count} ${what}`) }
  const unanswered = results.filter(({ state }) => state !== 'answered')
  expectZero(unanswered.length, `freezes without an answer: ${unanswered[0]?.because}`)
  expectZero(clients.failed, `requests failed: ${clients.errors.join('; ')}`)
  expectZero(clients.stuck, 'requests stuck')
  expectZero(clients.leaked, 'connections whose end did not come')
  expectZero(server.errors.length, `errors in the server: ${server.errors.join('; ')}`)
  expectZero(after.children, 'children left')
  expectZero(Math.max(0, after.descriptors - before.descriptors), 'descriptors left')
  const again = results.filter(({ state, attempts }) => state === 'answered' && attempts > 1)
  if (again.length > Math.max(1, TRIED_AGAIN * results.length)) wrong.push(`${(firstTries(results) * 100).toFixed(1)} % answered at the first try: ${again[0].because}`)
  if (after.unforked < before.unforked * (1 - AREAS_SLACK)) wrong.push(`${before.unforked} areas were kept out of children before, ${after.unforked} after`)
  for (const [what, count] of Object.entries({ 'requests answered': clients.answered, 'connections closed': clients.closed, 'children spawned': server.spawned, 'messages of the worker': server.worker, 'calls of WebAssembly': server.wasm })) {
    if (count === 0) wrong.push(`no ${what}: nothing was shown`)
  }
  return wrong
}

function firstTries (results) {
  return results.filter(({ state, attempts }) => state === 'answered' && attempts === 1).length / results.length
}

/** One line of the table. */
function row ({ node, freezes, results, clients, server, wrong }) {
  const pauses = results.map(({ pauseMs }) => pauseMs).filter((pause) => pause !== undefined).sort((a, b) => a - b)
  const quantile = (q) => (pauses[Math.min(pauses.length - 1, Math.floor(q * pauses.length))] ?? NaN).toFixed(1)
  return [
    node, freezes, `${(firstTries(results) * 100).toFixed(1)} %`, `${quantile(0.5)} / ${quantile(0.99)}`,
    `${(results.filter(({ parts }) => parts?.areasReadAgain).length / results.length * 100).toFixed(1)} %`, clients.answered,
    clients.failed + clients.stuck, clients.leaked, server.spawned, server.errors.length, wrong.length === 0 ? 'yes' : 'NO'
  ].map(String)
}

const HEAD = ['Node', 'freezes', 'first try', 'pause p50 / p99, ms', 'smaps read again', 'requests', 'failed', 'connections leaked', 'spawned', 'server errors', 'as it should be']

/** A table in Markdown. */
function table (rows) {
  const lines = [HEAD, ...rows]
  const widths = HEAD.map((_, column) => Math.max(...lines.map((line) => line[column].length)))
  const text = (line) => `| ${line.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`
  return [text(HEAD), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...rows.map(text)].join('\n')
}

module.exports = { judge, row, table }
