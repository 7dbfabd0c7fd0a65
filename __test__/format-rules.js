'use strict'

/** What Chrome DevTools' reader relies on. */
function brokenRules ({ snapshot, nodes, edges, strings }) {
  const { meta } = snapshot
  const [node, edge] = [meta.node_fields, meta.edge_fields]
  const wrong = []
  const rule = (holds, what) => { if (!holds && wrong.length < 10) wrong.push(what) }
  rule(nodes.length === snapshot.node_count * node.length, 'node count')
  rule(edges.length === snapshot.edge_count * edge.length, 'edge count')
  const [type, name, edgeCount] = ['type', 'name', 'edge_count'].map((field) => node.indexOf(field))
  const types = meta.node_types[type]
  let owned = 0
  const ids = new Set()
  for (let at = 0; at < nodes.length; at += node.length) {
    rule(nodes[at + type] < types.length, `type of node ${at}`)
    rule(nodes[at + name] < strings.length, `name of node ${at}`)
    ids.add(nodes[at + node.indexOf('id')])
    owned += nodes[at + edgeCount]
  }
  rule(ids.size === snapshot.node_count, 'ids are unique')
  rule(owned === snapshot.edge_count, 'edges belong to nodes')
  const edgeTypes = meta.edge_types[0]
  for (let at = 0; at < edges.length; at += edge.length) {
    const [kind, label, to] = [edges[at], edges[at + 1], edges[at + 2]]
    rule(kind < edgeTypes.length, `type of edge ${at}`)
    rule(to % node.length === 0 && to < nodes.length, `target of edge ${at}`)
    if (!['element', 'hidden'].includes(edgeTypes[kind])) rule(label < strings.length, `name of edge ${at}`)
  }
  return wrong
}

module.exports.brokenRules = brokenRules
