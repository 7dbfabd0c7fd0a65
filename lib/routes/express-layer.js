'use strict'

// The template a router is mounted at. New versions of the router keep it; the others only tell the values of the
// parameters, so the segments are found that these values come from.

const { normaliseSegment } = require('./normalise')
const { toPattern } = require('./pattern')

const SENTINEL = 'leakprobe-sentinel'

/** `{ template, length }`: template of the layer, and how much of `path` it takes; undefined when it does not match. */
function mountTemplate (layer, path) {
  const match = matchLayer(layer, path)
  if (match === undefined) return undefined
  const { matched, params } = match
  const kept = keptTemplate(layer, match)
  if (kept !== undefined) return { template: kept, length: matched.length }

  const segments = matched.split('/')
  for (const [name, value] of Object.entries(params)) {
    if (typeof value !== 'string') continue
    const at = segmentOf(layer, segments, name, value)
    if (at !== -1) segments[at] = `:${name}`
  }
  return { template: segments.map((segment) => isFixed(layer, segment) ? segment : normaliseSegment(segment)).join('/'), length: matched.length }
}

/** Segments of a path that are not empty. */
function segmentsOf (path) {
  return path.split('/').filter((segment) => segment !== '')
}

function keptTemplate ({ rawPath }, { pattern, matched }) {
  const path = typeof pattern === 'string' ? pattern : rawPath
  if (typeof path === 'string') return path === '/' ? '' : path
  if (!Array.isArray(path)) return undefined
  return path.find((one) => typeof one === 'string' && toPattern(one).test(matched))
}

// Of the segments with the parameter's value, the one that changes the parameter when it is changed; the first where
// the parameter takes certain values only.
function segmentOf (layer, segments, name, value) {
  const candidates = []
  segments.forEach((segment, index) => {
    if (segment !== '' && segment[0] !== ':' && (segment === value || decoded(segment) === value)) candidates.push(index)
  })
  if (candidates.length < 2) return candidates[0] ?? -1
  const proven = candidates.find((index) => {
    const changed = [...segments]
    changed[index] = SENTINEL
    return matchLayer(layer, changed.map((one) => one[0] === ':' ? SENTINEL : one).join('/'))?.params[name] === SENTINEL
  })
  return proven ?? candidates[0]
}

// Old layers return true and leave the match on themselves, so what they had is put back.
function matchLayer (layer, path) {
  if (typeof layer.match !== 'function') return undefined
  const { params, path: before } = layer
  try {
    const result = layer.match(path)
    if (!result) return undefined
    if (typeof result === 'object') return { matched: result.path, params: result.params, pattern: result.pattern }
    return { matched: layer.path, params: layer.params }
  } catch {
    return undefined
  } finally {
    if (layer.params !== params) layer.params = params
    if (layer.path !== before) layer.path = before
  }
}

// express 4 has the expression: what is not in it came from the request.
function isFixed ({ regexp }, segment) {
  return regexp === undefined || segment[0] === ':' || regexp.source.replaceAll('\\', '').includes(segment)
}

function decoded (segment) {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}

module.exports = { mountTemplate, segmentsOf }
