'use strict'

// Whether a report names the code that leaks. The corpus' own scorer asks for routes, kinds and amounts only, and removes the report
// when it has judged it, so a copy is kept while it runs.

const fs = require('node:fs')
const path = require('node:path')

const LOOK_MS = 500
// Words of a mechanism's description that name nothing by themselves.
const COMMON = /^(?:listeners?|error|process|allocation|native|cache|list|events?|of|the)$/i

/** Reads again and again the report that the scorer keeps below `directory`; call what is returned for the last one that could be read. */
function keepReport (directory) {
  let last
  const look = () => {
    for (const name of fs.readdirSync(directory).filter((name) => name.startsWith('leakscore-'))) {
      try {
        last = JSON.parse(fs.readFileSync(path.join(directory, name, 'report.json'), 'utf8'))
      } catch {} // not there yet, or no longer
    }
  }
  const timer = setInterval(look, LOOK_MS)
  return () => {
    clearInterval(timer)
    return last
  }
}

/**
 * Whether the culprit of a leak of the leaky routes, its retaining path included, names the case's package, or what leaks in it; `null` for a
 * case whose growth is not on V8's heap, or that has no leak.
 */
function namesCulprit ({ leaky_routes: leaky, expect }, report) {
  if (expect?.metric !== 'heapUsed' || leaky.length === 0) return null
  const leaks = (report?.leaks ?? []).filter(({ route, routes }) => (routes?.length ? routes : [route]).some((one) => leaky.includes(one)))
  const said = JSON.stringify(leaks.map(({ culprit }) => culprit)).toLowerCase()
  const words = expect.culprit_symbol.split(/[^\w$]+/).filter((word) => word.length > 3 && !COMMON.test(word))
  return [expect.culprit_package, ...words].some((word) => said.includes(word.toLowerCase()))
}

module.exports.keepReport = keepReport
module.exports.namesCulprit = namesCulprit
