'use strict'

// Numbers, names and lines for a terminal; the same forms as the rest of the command line.

const BARS = '▁▂▃▄▅▆▇█'
const BYTES = ['B', 'kB', 'MB', 'GB', 'TB']
const UNITS = [['days', 86_400_000, 172_800_000], ['h', 3_600_000, 7_200_000], ['min', 60_000, 120_000], ['s', 1000, 1000], ['ms', 1, -Infinity]]
/** Letters that take two columns: Chinese, Japanese, Korean, full-width forms and pictures. */
const WIDE = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u
const NO_WIDTH = /\p{Mark}|\p{Cf}/u

/** Two or three digits that matter. */
function digits (value) {
  const size = Math.abs(value)
  if (size === Infinity) return '∞'
  return value.toFixed(size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2)
}

/** `41.8 kB`. */
function bytes (value) {
  const step = stepOf(value)
  return `${number(value, step)} ${BYTES[step]}`
}

function stepOf (value) {
  let step = 0
  while (step < BYTES.length - 1 && Math.abs(value) >= 999.5 * 1000 ** step) step++
  return step
}

function number (value, step) {
  return step === 0 ? value.toFixed(0) : digits(value / 1000 ** step)
}

/** `131 ms`, `65.3 min`. */
function duration (ms) {
  const [unit, size] = UNITS.find(([, , from]) => ms >= from) ?? UNITS.at(-1)
  return `${digits(ms / size)} ${unit}`
}

/** `41.8 kB (32.8–47.3)`, `1.00 timers (0.98–1.02)`. */
function estimate ({ value, low, high, unit }) {
  if (unit !== 'bytes') return `${digits(value)} ${unit} (${digits(low)}–${high === null ? '∞' : digits(high)})`
  const step = stepOf(value)
  return `${bytes(value)} (${number(low, step)}–${high === null ? '∞' : number(high, step)})`
}

function count (value) {
  return Math.round(value).toLocaleString('en-US')
}

/** The last `width` values as bars between 0 and the largest of them; a gap where there is none. */
function sparkline (values, width) {
  const shown = values.slice(-width)
  const most = Math.max(...shown.filter((value) => value !== null), 0)
  return shown.map((value) => value === null ? ' ' : BARS[most === 0 ? 0 : Math.min(BARS.length - 1, Math.floor(value / most * BARS.length))]).join('')
}

/** Without control characters: a route's name comes from the network, and a terminal obeys them. */
function clean (text) {
  return String(text).replace(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, '\ufffd')
}

/** Columns that a text takes. */
function width (text) {
  let columns = 0
  for (const letter of text) columns += widthOf(letter)
  return columns
}

function widthOf (letter) {
  return NO_WIDTH.test(letter) ? 0 : WIDE.test(letter) ? 2 : 1
}

/** As much of a text as fits, with an ellipsis for the rest. */
function cut (text, columns) {
  if (width(text) <= columns) return text
  let kept = ''
  let used = 0
  for (const letter of text) {
    if (used + widthOf(letter) > columns - 1) break
    kept += letter
    used += widthOf(letter)
  }
  return columns < 1 ? '' : `${kept}…`
}

function padEnd (text, columns) {
  return text + ' '.repeat(Math.max(0, columns - width(text)))
}

function padStart (text, columns) {
  return ' '.repeat(Math.max(0, columns - width(text))) + text
}

module.exports = { bytes, clean, count, cut, digits, duration, estimate, padEnd, padStart, sparkline, width }
