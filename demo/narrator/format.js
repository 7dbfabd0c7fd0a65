'use strict'

// Numbers as people read them.

const BARS = '▁▂▃▄▅▆▇█'
const BYTE_UNITS = ['B', 'kB', 'MB', 'GB']

/** 8123 → '8.1 kB' */
function bytes (value) {
  const { divisor, unit, digits } = byteScale(value)
  return `${(value / divisor).toFixed(digits)} ${unit}`
}

function byteScale (value) {
  let step = 0
  while (step < BYTE_UNITS.length - 1 && Math.abs(value) >= 1000 ** (step + 1)) step++
  const divisor = 1000 ** step
  return { divisor, unit: BYTE_UNITS[step], digits: step === 0 || Math.abs(value / divisor) >= 100 ? 0 : 1 }
}

/** An estimate with its interval: '8.1 kB (7.9–8.3)' or '1.00 (0.98–1.02)'. */
function estimate ({ value, low, high, unit }) {
  const end = (number, divisor, digits) => number === null ? '∞' : (number / divisor).toFixed(digits)
  if (unit !== 'bytes') return `${value.toFixed(2)} (${end(low, 1, 2)}–${end(high, 1, 2)})`
  const { divisor, digits } = byteScale(value)
  return `${bytes(value)} (${end(low, divisor, digits)}–${end(high, divisor, digits)})`
}

/** The values as at most `width` bars between 0 and `max`; neighbours share a bar, as their mean, where there are more. */
function sparkline (values, width, max) {
  return squeeze(values, width).map((value) => BARS[Math.min(BARS.length - 1, Math.floor(value / max * BARS.length))]).join('')
}

function squeeze (values, width) {
  if (values.length <= width) return values
  return Array.from({ length: width }, (_, i) => {
    const group = values.slice(Math.floor(i * values.length / width), Math.floor((i + 1) * values.length / width))
    return group.reduce((sum, value) => sum + value, 0) / group.length
  })
}

function count (value) {
  return value.toLocaleString('en-US')
}

module.exports.bytes = bytes
module.exports.count = count
module.exports.estimate = estimate
module.exports.sparkline = sparkline
