'use strict'

// Turns the rounds into medians and ratios, and those into a table.

const { TITLES } = require('./variants.js')

function median (numbers) {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

function spread (numbers) {
  return { median: median(numbers), min: Math.min(...numbers), max: Math.max(...numbers) }
}

/**
 * Ratios and differences are taken within each round, against `none` of the same round, and their median is reported:
 * what disturbs a whole round cancels out.
 *
 * @param {Map<string, { requestsPerSecond: number, cpuUs: number }[]>} byVariant one entry per round, in order
 */
function summarise (byVariant) {
  const none = byVariant.get('none')
  return [...byVariant].map(([variant, rounds]) => ({
    variant,
    rounds: rounds.length,
    requestsPerSecond: spread(rounds.map((round) => round.requestsPerSecond)),
    cpuUs: spread(rounds.map((round) => round.cpuUs)),
    throughputRatio: spread(rounds.map((round, i) => round.requestsPerSecond / none[i].requestsPerSecond)),
    addedCpuUs: spread(rounds.map((round, i) => round.cpuUs - none[i].cpuUs))
  }))
}

/** @returns {string} a Markdown table, so that it can be put into the docs as it is */
function table (server, results) {
  const head = [server, 'requests/s', 'ratio to none', 'CPU per request, µs', 'added CPU, µs', 'added CPU, min to max']
  const rows = results.map((result) => [
    TITLES[result.variant],
    result.requestsPerSecond.median.toFixed(0),
    result.throughputRatio.median.toFixed(3),
    result.cpuUs.median.toFixed(2),
    result.variant === 'none' ? '–' : signed(result.addedCpuUs.median),
    result.variant === 'none' ? '–' : `${signed(result.addedCpuUs.min)} to ${signed(result.addedCpuUs.max)}`
  ])
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i].length)))
  const line = (cells) => `| ${cells.map((cell, i) => i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])).join(' | ')} |`
  const rule = `|${widths.map((width, i) => i === 0 ? '-'.repeat(width + 2) : '-'.repeat(width + 1) + ':').join('|')}|`
  return [line(head), rule, ...rows.map(line)].join('\n')
}

function signed (number) {
  return `${number < 0 ? '−' : '+'}${Math.abs(number).toFixed(2)}`
}

module.exports.median = median
module.exports.summarise = summarise
module.exports.table = table
