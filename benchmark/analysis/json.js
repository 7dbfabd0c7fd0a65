'use strict'

// A plain JSON.parse of the file, which says nothing about it yet.

const fs = require('node:fs')

const started = process.hrtime.bigint()
const { nodes, snapshot } = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'))
const seconds = Number(process.hrtime.bigint() - started) / 1e9
process.stdout.write(`${JSON.stringify({ seconds, nodes: nodes.length / snapshot.meta.node_fields.length, peakBytes: process.resourceUsage().maxRSS * 1024 })}\n`)
