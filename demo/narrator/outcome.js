'use strict'

// Whether the demo showed what it says: judged from the report and from the incident's files, not from what was printed.

const fs = require('node:fs')
const path = require('node:path')
const zlib = require('node:zlib')

/** The leaks that demo/server.js has, and what each keeps. */
const EXPECTED = [
  { route: 'GET /mails/:customer', resource: 'heap' },
  { route: 'POST /subscriptions/:id', resource: 'listeners' },
  { route: 'GET /reports/:id', resource: 'timers' }
]

/** @returns {string[]} what is missing or wrong; empty when all is as it should be */
function shortfalls ({ report, incident, snapshot, load }) {
  if (report === undefined) return ['there is no report']
  const wrong = unnamed(report).map(({ route, resource }) => `no leak of ${resource} on ${route} is reported`)
  const leaky = new Set(EXPECTED.map(({ route }) => route))
  for (const leak of report.leaks) {
    const innocent = leak.routes.filter((route) => !leaky.has(route))
    if (innocent.length > 0) wrong.push(`${innocent.join(', ')} is reported to leak ${leak.resource} and does not`)
  }
  if (incident === undefined) wrong.push('no incident was written')
  else if (!snapshot.complete) wrong.push(`the incident's heap snapshot is not complete: ${snapshot.because}`)
  if (load === undefined || load.failed > 0) wrong.push(`${load?.failed ?? 'unknown'} requests failed: ${JSON.stringify(load?.errors ?? {})}`)
  return wrong
}

/** The leaks that the report does not name yet. */
function unnamed (report) {
  // With much data the bytes that listeners and timers keep are sure, too, and name the leak: then those are evidence.
  const tells = (leak, resource) => leak.resource === resource || leak.evidence?.some(({ of }) => of === resource)
  return EXPECTED.filter(({ route, resource }) => !report.leaks.some((leak) =>
    tells(leak, resource) && leak.routes.length === 1 && leak.route === route))
}

/** Reads the incident's heap snapshot as a tool would, and compares it with its own header. */
function checkSnapshot (incident) {
  if (incident === undefined) return { complete: false, because: 'there is no incident' }
  const file = path.join(incident.directory, 'heap.heapsnapshot.gz')
  try {
    const packed = fs.readFileSync(file)
    const { snapshot, nodes, edges, strings } = JSON.parse(zlib.gunzipSync(packed))
    const nodeCount = nodes.length / snapshot.meta.node_fields.length
    const edgeCount = edges.length / snapshot.meta.edge_fields.length
    const complete = nodeCount === snapshot.node_count && edgeCount === snapshot.edge_count
    return {
      complete,
      because: complete ? 'its counts are those of its header' : `${nodeCount} nodes and ${edgeCount} edges; the header says ${snapshot.node_count} and ${snapshot.edge_count}`,
      file,
      bytes: packed.length,
      nodes: nodeCount,
      edges: edgeCount,
      strings: strings.length
    }
  } catch (error) {
    return { complete: false, because: error.message, file }
  }
}

module.exports.EXPECTED = EXPECTED
module.exports.checkSnapshot = checkSnapshot
module.exports.shortfalls = shortfalls
module.exports.unnamed = unnamed
