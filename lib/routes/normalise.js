'use strict'

// Turns a path into a template when no router told one: what looks like a value becomes `:id`.

/** Segments kept; the rest of a deeper path becomes `*`. */
const MOST_SEGMENTS = 12
/** Shorter text is no token, unless something else in it says so. */
const SHORTEST_TOKEN = 10

const SLASH = 0x2f
const PERCENT = 0x25
const AT = 0x40

const NUMBER = /^[+-]?\d+(?:[.,:]\d+)*$/
const UUID = /^\{?[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\}?$/i
const HEX = /^(?:0x)?[0-9a-f]{8,}$/i
const DATE = /^\d{4}-(?:\d{2}|W\d{2})(?:-\d{1,2})?(?:[T_ ][\d:.]+(?:Z|[+-]\d{2}:?\d{2})?)?$/i
const TAIL_NUMBER = /^[A-Za-z]+[-_]\d{3,}$/
const VERSION = /^v\d+(?:\.\d+)*$/i
const TOKEN = /^[A-Za-z0-9_~=-]+$/
const EXTENSION = /^(.+)(\.[A-Za-z][A-Za-z0-9]{0,7})$/

/** The template of a path (without query). Returns the very same string when nothing in it looks like a value. */
function normalisePath (path) {
  let template = ''
  let copied = 0
  let start = 0
  let digits = 0
  let odd = false
  let segments = 0
  // One pass over the characters: most segments are plain words or plain numbers and need no expression.
  for (let i = 0; i <= path.length; i++) {
    const code = i === path.length ? SLASH : path.charCodeAt(i)
    if (code >= 0x30 && code <= 0x39) {
      digits++
    } else if (code === SLASH) {
      const length = i - start
      if (digits > 0 || odd || length >= SHORTEST_TOKEN) {
        const known = digits === length ? ':id' : normaliseSegment(path.slice(start, i))
        if (digits === length || known.length !== length || !path.startsWith(known, start)) {
          template += path.slice(copied, start) + known
          copied = i
        }
      }
      if (++segments > MOST_SEGMENTS && i < path.length) return `${template}${path.slice(copied, i)}/*`
      start = i + 1
      digits = 0
      odd = false
    } else if (code === PERCENT || code === AT) {
      odd = true
    }
  }
  return copied === 0 ? path : template + path.slice(copied)
}

/** One segment of it. */
function normaliseSegment (segment) {
  if (segment === '' || VERSION.test(segment)) return segment
  if (isValue(segment)) return ':id'
  const parts = EXTENSION.exec(segment)
  if (parts === null) return segment
  const [, name, extension] = parts
  if (isValue(name)) return `:id${extension}`
  // A hash in the name of a built file: main.3f2a9c01.js, chunk-3f2a9c01.js
  return name.replace(/([.-])([0-9a-f]{8,})$/i, (all, separator, hash) => isHex(hash) ? `${separator}:id` : all) + extension
}

function isValue (text) {
  return NUMBER.test(text) || text.includes('%') || text.includes('@') || UUID.test(text) || DATE.test(text) ||
    isHex(text) || TAIL_NUMBER.test(text) || isToken(text)
}

function isHex (text) {
  return HEX.test(text) && /\d/.test(text)
}

// Words joined by dashes are no token, however long; random text changes between letters, digits and cases.
function isToken (text) {
  if (text.length < SHORTEST_TOKEN || !TOKEN.test(text)) return false
  let changes = 0
  let digits = 0
  let previous = kindOf(text.charCodeAt(0))
  for (let i = 1; i < text.length; i++) {
    const kind = kindOf(text.charCodeAt(i))
    if (kind === DIGIT) digits++
    if (kind !== previous && kind !== MARK && previous !== MARK && !(previous === UPPER && kind === LOWER)) changes++
    previous = kind
  }
  return changes >= 3 && (digits >= 2 || changes >= text.length / 4)
}

const LOWER = 0
const UPPER = 1
const DIGIT = 2
const MARK = 3

function kindOf (code) {
  if (code >= 0x30 && code <= 0x39) return DIGIT
  if (code >= 0x61 && code <= 0x7a) return LOWER
  if (code >= 0x41 && code <= 0x5a) return UPPER
  return MARK
}

module.exports = { normalisePath, normaliseSegment }
