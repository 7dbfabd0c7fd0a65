'use strict'

// npm run soak: a server without a leak runs under mixed load while the probe does all that it can; the probe itself has to be flat.

const { fork } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { parseArgs } = require('node:util')
const { setupOrExit } = require('../scripts/setup.js')
const { nodeBinaries } = require('../scripts/setup/nodes.js')
const { answer, gone } = require('./children.js')
const { judge, judgeLevels } = require('./soak/judge.js')

const USAGE = `npm run soak -- [options]
  --minutes N      0.2 to 10080; default 60
  --node 22        one of the supported major versions; default that which runs this
  --json FILE      also write all readings there
`
/** Not judged: caches fill, V8 compiles, the heap and its limits find their size. */
const WARM_UP_SHARE = 0.25
const CAPTURE_MS = 10_000

async function main () {
  const { minutes, binary, json } = readOptions()
  await setupOrExit({ nodes: true })
  const result = await soak(binary, minutes * 60_000)
  const { levels, wrong, ended, clients } = result
  const version = /v\S+/.exec(ended.capabilities.node ?? '')?.[0] ?? binary
  process.stdout.write(`${os.cpus()[0]?.model ?? 'unknown CPU'}, ${os.cpus().length} cores, ${version}, ${minutes} minutes\n`)
  process.stdout.write(`${clients.answered} requests answered, ${clients.aborted} aborted, ${ended.seen.captures} captures (${ended.seen.snapshots} heap snapshots), ${ended.cost.freezes} freezes, ${ended.seen.workers} workers, ${ended.seen.reads} reads\n\n`)
  for (const { name, first, last, growth, low, high, grows } of levels) {
    const told = growth === undefined ? 'not enough readings' : `${round(growth)} (${round(low)} to ${round(high)})`
    process.stdout.write(`${name.padEnd(14)} ${round(first).padStart(14)} → ${round(last).padStart(14)}   growth ${told}${grows ? '   GROWS' : ''}\n`)
  }
  for (const one of wrong) process.stdout.write(`wrong: ${one}\n`)
  process.stdout.write(wrong.length === 0 ? '\nflat, and without an error\n' : '\nnot as it should be\n')
  if (json !== undefined) fs.writeFileSync(json, `${JSON.stringify({ schema: 'leakprobe.soak/1', at: new Date().toISOString(), minutes, ...result }, null, 1)}\n`)
  process.exitCode = wrong.length === 0 ? 0 : 1
}

async function soak (binary, forMs, captureMs = CAPTURE_MS) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'leakprobe-soak-'))
  const children = []
  const run = (file, args) => {
    const child = fork(path.join(__dirname, 'soak', file), args, { execPath: binary, execArgv: [] })
    children.push(child)
    return child
  }
  try {
    const readings = []
    const server = run('server.js', [directory, String(captureMs)])
    const { port } = await answer(server, 'port')
    server.on('message', ({ held }) => { if (held !== undefined) readings.push(held) })
    const client = run('clients.js', [String(port)])
    await Promise.race([new Promise((resolve) => setTimeout(resolve, forMs)), gone(server), gone(client)])
    client.send({ end: true })
    const { clients } = await answer(client, 'clients')
    server.send({ end: true })
    const { ended } = await answer(server, 'ended')
    const levels = judgeLevels(readings.slice(Math.floor(readings.length * WARM_UP_SHARE)))
    return { levels, ended, clients, wrong: judge({ levels, ended, clients }), readings }
  } finally {
    for (const child of children) child.kill('SIGKILL')
    fs.rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
  }
}

function round (value) {
  return value === undefined ? '–' : Math.round(value).toLocaleString('en')
}

function readOptions () {
  let values
  try {
    ({ values } = parseArgs({ options: { help: { type: 'boolean' }, json: { type: 'string' }, minutes: { type: 'string', default: '60' }, node: { type: 'string' } } }))
  } catch (error) {
    refuse(error.message)
  }
  if (values.help) {
    process.stdout.write(USAGE)
    process.exit(0)
  }
  const minutes = Number(values.minutes)
  if (!(minutes >= 0.2 && minutes <= 10_080)) refuse(`--minutes: expected 0.2 to 10080, received ${values.minutes}`)
  const binary = values.node === undefined ? process.execPath : nodeBinaries().find(({ major }) => String(major) === values.node)?.binary
  if (binary === undefined) refuse(`--node: expected one of ${nodeBinaries().map(({ major }) => major).join(', ')}, received ${values.node}`)
  return { minutes, binary, json: values.json }
}

function refuse (why) {
  process.stderr.write(`${why}\n${USAGE}`)
  process.exit(2)
}

module.exports = { soak }

if (require.main === module) {
  main().catch((error) => {
    process.stderr.write(`${error.stack}\n`)
    process.exitCode = 1
  })
}
