'use strict'

// memlab: its graph with dominators and retained sizes.

const { getFullHeapFromFile } = require('@memlab/heap-analysis')

const started = process.hrtime.bigint()
getFullHeapFromFile(process.argv[2]).then((heap) => {
  const seconds = Number(process.hrtime.bigint() - started) / 1e9
  const bytes = heap.nodes.get(0).retainedSize
  process.stdout.write(`\n${JSON.stringify({ seconds, nodes: heap.nodes.length, bytes, peakBytes: process.resourceUsage().maxRSS * 1024 })}\n`)
})
