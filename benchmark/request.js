'use strict'

// npm run bench:request: what watching costs per request, for leakprobe and its peers, on three servers.
// Every round measures each variant once in a fresh server process, starting with another variant each time.

const { execFileSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { parseArgs } = require('node:util')
const { setupOrExit } = require('../scripts/setup.js')
const { measure } = require('./request/round.js')
const { summarise, table } = require('./request/result.js')
const { VARIANTS } = require('./request/variants.js')

const SERVERS = ['http', 'express5', 'fastify5']
const REQUESTS = { http: 120000, express5: 60000, fastify5: 80000 }
const USAGE = `npm run bench:request -- [options]
  --rounds N        rounds, 1 to 100; default 7
  --servers LIST    of ${SERVERS.join(', ')}; default all
  --variants LIST   of ${VARIANTS.join(', ')}; default all; none is always measured
  --node PATH       the node binary to measure on; default the one that runs this
  --json FILE       also write everything that was measured there
  --quick           one short round: shows that it works, not how fast
`

async function main () {
  const options = readOptions()
  await setupOrExit({ benchmark: true })
  const about = machine(options.node)
  process.stdout.write(`${about.cpu}, ${about.cores} cores, ${about.memoryGb} GB, Linux ${about.kernel}, Node ${about.node}\n` +
    `${options.rounds} rounds, ${options.connections} connections; CPU is that of the app thread alone; ` +
    'ratios and differences are to none of the same round, medians over the rounds\n' +
    (options.quick ? 'quick: too few requests for the numbers to mean anything\n' : ''))
  const results = []
  for (const server of options.servers) {
    const summary = await benchServer(server, options)
    results.push({ server, requestsPerRound: requestsOf(server, options), variants: summary })
    process.stdout.write(`\n${table(server, summary)}\n`)
  }
  if (options.json === undefined) return
  const record = { schema: 'leakprobe.bench.request/1', at: new Date().toISOString(), machine: about, rounds: options.rounds, results }
  fs.writeFileSync(options.json, `${JSON.stringify(record, null, 2)}\n`)
}

async function benchServer (server, options) {
  const byVariant = new Map(options.variants.map((variant) => [variant, []]))
  const requests = requestsOf(server, options)
  for (let round = 0; round < options.rounds; round++) {
    for (let i = 0; i < options.variants.length; i++) {
      const variant = options.variants[(round + i) % options.variants.length]
      progress(`${server}: round ${round + 1} of ${options.rounds}, ${variant}`)
      const { node, connections } = options
      byVariant.get(variant).push(await measure({ node, server, variant, requests, warmUp: Math.ceil(requests / 3), connections }))
    }
  }
  progress('')
  return summarise(byVariant)
}

function requestsOf (server, { quick }) {
  return quick ? 500 : REQUESTS[server]
}

function readOptions () {
  const { values } = parse()
  if (values.help) {
    process.stdout.write(USAGE)
    process.exit(0)
  }
  const rounds = values.quick ? 1 : Number(values.rounds)
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100) refuse(`--rounds: expected 1 to 100, received ${values.rounds}`)
  const chosen = list('--variants', values.variants, VARIANTS)
  return {
    rounds,
    quick: values.quick,
    servers: list('--servers', values.servers, SERVERS),
    variants: VARIANTS.filter((variant) => variant === 'none' || chosen.includes(variant)),
    node: values.node,
    json: values.json === undefined ? undefined : path.resolve(values.json),
    connections: 16
  }
}

function parse () {
  try {
    return parseArgs({
      options: {
        help: { type: 'boolean', default: false },
        json: { type: 'string' },
        node: { type: 'string', default: process.execPath },
        quick: { type: 'boolean', default: false },
        rounds: { type: 'string', default: '7' },
        servers: { type: 'string', default: SERVERS.join(',') },
        variants: { type: 'string', default: VARIANTS.join(',') }
      }
    })
  } catch (error) {
    return refuse(error.message)
  }
}

function list (name, text, known) {
  const chosen = text.split(',')
  const unknown = chosen.find((item) => !known.includes(item))
  if (unknown !== undefined) refuse(`${name}: expected some of ${known.join(', ')}, received ${unknown}`)
  return known.filter((item) => chosen.includes(item))
}

function refuse (message) {
  process.stderr.write(`${message}\n${USAGE}`)
  process.exit(2)
}

function machine (node) {
  const [cpu] = os.cpus()
  return {
    cpu: cpu?.model ?? 'unknown CPU',
    cores: os.cpus().length,
    memoryGb: Math.round(os.totalmem() / 2 ** 30),
    kernel: os.release(),
    node: execFileSync(node, ['--version'], { encoding: 'utf8' }).trim()
  }
}

function progress (text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`)
  process.exitCode = 1
})
