'use strict'

// Retained sizes without any theory: what cannot be reached any more without a node. Slow, and hard to get wrong.

/**
 * A heap snapshot as a graph of the edges that keep their targets, as DevTools sees it. But V8's table of internalized strings keeps
 * none of them, although the file has it among the roots.
 */
function graphOf ({ snapshot: { meta }, nodes, edges, strings }) {
  const width = meta.node_fields.length
  const field = (name) => meta.node_fields.indexOf(name)
  const [type, name, size, edgeCount] = ['type', 'name', 'self_size', 'edge_count'].map(field)
  const [weak, shortcut, element, hidden] = ['weak', 'shortcut', 'element', 'hidden'].map((kind) => meta.edge_types[0].indexOf(kind))
  const types = meta.node_types[0]
  const count = nodes.length / width
  const first = new Uint32Array(count + 1)
  const kept = { targets: [], names: [] }
  const isTable = (node) => types[nodes[node * width + type]] === 'synthetic' && strings[nodes[node * width + name]] === '(Internalized strings)'
  let at = 0
  for (let node = 0; node < count; node++) {
    first[node] = kept.targets.length
    for (let edge = 0; edge < nodes[node * width + edgeCount]; edge++, at += 3) {
      const [kind, label, to] = [edges[at], edges[at + 1], edges[at + 2] / width]
      if (kind === weak || (kind === shortcut && node !== 0) || isTable(node)) continue
      kept.targets.push(to)
      kept.names.push(kind === element || kind === hidden ? '[]' : strings[label])
    }
  }
  first[count] = kept.targets.length
  return {
    count,
    first,
    ...kept,
    id: (node) => nodes[node * width + field('id')],
    isReal: (node) => !['synthetic', 'native'].includes(types[nodes[node * width + type]]) && nodes[node * width + field('id')] % 2 === 1,
    className: (node) => types[nodes[node * width + type]] === 'closure' ? 'Function' : strings[nodes[node * width + name]],
    size: (node) => nodes[node * width + size]
  }
}

/** Bytes that are reached from the root, when `without` is taken away. */
function reachable ({ count, first, targets, size }, without) {
  const seen = new Uint8Array(count)
  const open = [0]
  seen[0] = 1
  let bytes = 0
  while (open.length > 0) {
    const node = open.pop()
    bytes += size(node)
    for (let edge = first[node]; edge < first[node + 1]; edge++) {
      const to = targets[edge]
      if (seen[to] === 1 || to === without) continue
      seen[to] = 1
      open.push(to)
    }
  }
  return bytes
}

/** The bytes that each node retains: sums over the dominator tree by Cooper, Harvey and Kennedy. */
function retainedSizes ({ count, first, targets, size }) {
  const order = new Int32Array(count).fill(-1)
  const byOrder = []
  const open = [[0, first[0]]]
  const seen = new Uint8Array(count)
  seen[0] = 1
  while (open.length > 0) {
    const top = open.at(-1)
    if (top[1] < first[top[0] + 1]) {
      const to = targets[top[1]++]
      if (seen[to] === 1) continue
      seen[to] = 1
      open.push([to, first[to]])
    } else {
      order[top[0]] = byOrder.push(top[0]) - 1
      open.pop()
    }
  }
  const before = byOrder.map(() => [])
  for (const node of byOrder) for (let edge = first[node]; edge < first[node + 1]; edge++) before[order[targets[edge]]].push(order[node])
  const immediate = new Int32Array(byOrder.length).fill(-1)
  const root = byOrder.length - 1
  immediate[root] = root
  for (let changed = true; changed;) {
    changed = false
    for (let at = root - 1; at >= 0; at--) {
      let best = -1
      for (let other of before[at]) {
        if (immediate[other] < 0) continue
        if (best < 0) best = other
        while (best !== other) {
          while (best < other) best = immediate[best]
          while (other < best) other = immediate[other]
        }
      }
      if (immediate[at] !== best) [immediate[at], changed] = [best, true]
    }
  }
  const retained = new Float64Array(count)
  for (let at = 0; at <= root; at++) {
    retained[byOrder[at]] += size(byOrder[at])
    if (at !== root) retained[byOrder[immediate[at]]] += retained[byOrder[at]]
  }
  return retained
}

/** The nodes of a class to which an edge with a name leads. */
function named ({ first, targets, names, count, className }, name, wanted) {
  const found = new Set()
  for (let edge = 0; edge < first[count]; edge++) {
    if (names[edge] === name && className(targets[edge]) === wanted) found.add(targets[edge])
  }
  return [...found]
}

module.exports = { graphOf, named, reachable, retainedSizes }
