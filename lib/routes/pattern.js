'use strict'

// A route template as a regular expression, close enough to tell which of several templates a path was matched by.
// It reads what the routers write: `:name`, `:name(pattern)`, `:name?`, `*`, `*name`, `{optional}`, `(group)`.

const PIECES = /:\w+(\([^)]*\))?([?*+])?|\*\w*|\{|\}|\([^)]*\)\??|[^:*{}(]+|./g

/** Matches whole paths, or with `prefix` the beginning of one up to a slash. */
function toPattern (template, { prefix = false } = {}) {
  const body = template.replace(/\/+$/, '').replace(PIECES, (piece, own, modifier) => {
    if (piece[0] === ':' && piece.length > 1) {
      const one = '[^/]+?'
      return modifier === '?' ? `(?:${one})?` : modifier ? '.+?' : one
    }
    if (piece[0] === '*') return '.*?'
    if (piece === '{') return '(?:'
    if (piece === '}') return ')?'
    if (piece[0] === '(' && piece.length > 1) return '.*?'
    return piece.replace(/[.+?^${}()|[\]\\]/g, '\\$&')
  }).replace(/\/(\(\?:\[\^\/\]\+\?\)\?)/g, '(?:/$1)?')
  try {
    return new RegExp(prefix ? `^${body}(?=/|$)` : `^${body}/?$`, 'i')
  } catch {
    return /^/
  }
}

module.exports = { toPattern }
