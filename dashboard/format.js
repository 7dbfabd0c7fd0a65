// Numbers as people read them; the same forms as on the command line.

/** Two or three digits that matter. */
export function digits (value) {
  if (!Number.isFinite(value)) return '∞'
  if (value === 0) return '0'
  const size = Math.abs(value)
  if (size >= 999.5) return count(value)
  return value.toFixed(size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2)
}

/** `41.8 kB`, in steps of 1 000. */
export function bytes (value) {
  let step = 0
  let rest = value
  while (step < BYTES.length - 1 && Math.abs(rest) >= 999.5) {
    rest /= 1000
    step++
  }
  return `${step === 0 ? rest.toFixed(0) : digits(rest)}${NBSP}${BYTES[step]}`
}

const NBSP = '\u00a0'
const BYTES = ['B', 'kB', 'MB', 'GB', 'TB']

/** Milliseconds as a person says them: `131 ms`, `65.3 min`. */
export function duration (ms) {
  const [unit, size] = UNITS.find(([, , from]) => ms >= from)
  return `${digits(ms / size)}${NBSP}${unit}`
}

const UNITS = [['days', 86_400_000, 172_800_000], ['h', 3_600_000, 7_200_000], ['min', 60_000, 120_000], ['s', 1000, 1000], ['ms', 1, -Infinity]]

/** `1,234`. */
export function count (value) {
  return Math.round(value).toLocaleString('en-US')
}

/** `4.2 %` of a share of 1. */
export function percent (share) {
  return `${digits(share * 100)}${NBSP}%`
}

/** The number of an estimate with its unit: `41.8 kB`, `1.00 listeners`. */
export function amount ({ value, unit }) {
  return unit === 'bytes' ? bytes(value) : `${digits(value)}${NBSP}${unit}`
}

/** Its interval: `32.8–47.3 kB`, in the unit that `amount` has. */
export function interval ({ value, low, high, unit }) {
  if (unit !== 'bytes') return `${digits(low)}–${end(high, 1)}`
  let step = 0
  while (step < BYTES.length - 1 && Math.abs(value) >= 999.5 * 1000 ** step) step++
  const size = 1000 ** step
  const number = (part) => step === 0 ? part.toFixed(0) : digits(part / size)
  return `${number(low)}–${high === null ? '∞' : number(high)}${NBSP}${BYTES[step]}`
}

function end (high, size) {
  return high === null ? '∞' : digits(high / size)
}

/** `10:43:12`, by the clock of the person who looks. */
export function clock (ms) {
  return new Date(ms).toLocaleTimeString('en-GB')
}

/** `29 Nov 2026, 10:43:12`. */
export function moment (text) {
  const at = new Date(text)
  if (Number.isNaN(at.getTime())) return String(text)
  return `${at.toLocaleDateString('en-GB', { day: 'numeric', month: 'short', year: 'numeric' })}, ${clock(at.getTime())}`
}

/** `1 leak`, `2 leaks`. */
export function plural (number, word, words = `${word}s`) {
  return `${count(number)} ${number === 1 ? word : words}`
}

/** The same without zeros that say nothing, for the axis of a chart: `8 ms` in place of `8.00 ms`. */
export function short (text) {
  return text.replace(/(\.\d*?)0+(?=\D|$)/, '$1').replace(/\.(?=\D|$)/, '')
}
