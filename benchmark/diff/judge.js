'use strict'

// Whether a comparison names what a case of the corpus keeps: by the package, or by a name that the case gives.

/** What each kind of the corpus may be called. A session store is a collection; of the cases that get slower each may be any of them. */
const KINDS = {
  cache: ['collection'],
  session: ['collection'],
  listener: ['listener'],
  timer: ['timer'],
  closure: ['closure'],
  slowdown: ['collection', 'listener', 'timer', 'closure']
}

function kindsOf ({ kind, expect }) {
  return expect.kinds ?? KINDS[kind] ?? []
}

/** Words of `culprit_symbol` that many things are called. */
const COMMON = new Set(['listener', 'listeners', 'reaction', 'reactions'])

/** Names out of `culprit_symbol` that say which one: long ones, and those with a capital letter or an underscore inside. */
function symbolsOf ({ expect }) {
  const words = expect.culprit_symbol?.match(/[\w$]+/g) ?? []
  return words.filter((word) => !COMMON.has(word.toLowerCase()) && (word.length >= 8 || (word.length >= 6 && /[a-z_][A-Z]|^_|_/.test(word))))
}

/** Whether a row speaks of it: by the package, by a file in it, or by one of the names as a word of the path, the class or the function. */
function namesOf (corpusCase) {
  const { culprit_package: culprit, culprit_symbol: symbol } = corpusCase.expect
  const names = symbolsOf(corpusCase).map((name) => new RegExp(`(^|[^\\w$])${name.replaceAll('$', '\\$')}([^\\w$]|$)`, 'i'))
  return (row) => row.package !== undefined && [culprit, ...symbol.split(/[^\w@/-]+/)].includes(row.package) ||
    row.retainingPath.some((word) => word.includes(`${culprit}/`)) ||
    [row.class, row.function ?? '', ...row.retainingPath].some((word) => names.some((name) => name.test(word)))
}

/** Of the first rows: the one that names the thing and has the right kind, or what falls short. */
function judge (corpusCase, rows) {
  const kinds = kindsOf(corpusCase)
  const named = rows.filter(namesOf(corpusCase))
  const right = named.find((row) => kinds.includes(row.kind))
  const why = named.length === 0
    ? `not named: ${rows.map((row) => `${row.kind} ${row.class}`).join('; ') || 'no rows'}`
    : right === undefined ? `kind ${named.map((row) => row.kind)} for ${kinds}` : undefined
  return { named: named.length > 0, ok: right !== undefined, row: right ?? named[0], place: right === undefined ? undefined : rows.indexOf(right) + 1, why }
}

module.exports = { judge, kindsOf }
