'use strict'

// npm run bench:production: how long preset `production` takes, in real time, to name a leak of 1 kB per request at about 50 requests/s in a server with a large heap,
// and how many freezes it needs; and that the same server without the leak is left alone.

const { execFileSync, fork } = require('node:child_process')
const { once } = require('node:events')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { parseArgs } = require('node:util')
const { setupOrExit } = require('../scripts/setup.js')
const { nodeBinaries } = require('../scripts/setup/nodes.js')
const { answer, gone } = require('./children.js')

const USAGE = `npm run bench:production -- [options]
  --minutes N      0.5 to 1440; default 30
  --heap MB        20 to 4000; default 500
  --node 22        one of the supported major versions; default that which runs this
  --seed N         1 to 1000000; default 1
  --healthy        the same server without its leak
  --json FILE      also write all that was told there
`
const LEAKY = 'GET /mails/:id'

async function main () {
  const options = readOptions()
  await setupOrExit({ nodes: true })
  const { told, clients, heapBytes } = await run(options)
  const named = told.find(({ leaks }) => leaks.length > 0)
  const wrong = told.flatMap(({ leaks }) => leaks).filter(({ routes }) => options.healthy || routes.length !== 1 || routes[0] !== LEAKY)
  const last = told.at(-1)
  const version = execFileSync(options.binary, ['--version'], { encoding: 'utf8' }).trim()
  const lines = [
    `${os.cpus()[0]?.model ?? 'unknown CPU'}, ${os.cpus().length} cores, ${version}, seed ${options.seed}, heap ${Math.round(heapBytes / 1e6)} MB, ${options.minutes} minutes${options.healthy ? ', without a leak' : ''}`,
    `${clients.answered} requests answered, ${clients.failed} failed; ${JSON.stringify(clients.byRoute)}`,
    named === undefined
      ? 'nothing was reported'
      : `reported after ${(named.atMs / 60_000).toFixed(1)} min and ${named.freezes} freezes: ${named.leaks.map(({ routes, perRequest: { value, low, high, unit } }) => `${routes.join(', ')} ${Math.round(value)} (${Math.round(low)}–${Math.round(high)}) ${unit}`).join('; ')}`,
    `in all: ${last.freezes} freezes, longest pause ${last.pauseMs.max.toFixed(1)} ms, of shadows ${Math.round(last.shadowCpuMs)} ms CPU, of the probe's own threads ${Math.round(last.cpuMs)} ms, verdict ${last.verdict}`,
    ...(wrong.length > 0 ? [`wrong: ${JSON.stringify(wrong[0])}`] : [])
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
  if (options.json !== undefined) fs.writeFileSync(options.json, `${JSON.stringify({ schema: 'leakprobe.production/1', at: new Date().toISOString(), ...options, told, clients })}\n`)
  process.exitCode = wrong.length > 0 || (named === undefined) !== options.healthy ? 1 : 0
}

async function run ({ binary, minutes, heap, healthy, seed }) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'leakprobe-production-'))
  const children = []
  const child = (file, args) => {
    children.push(fork(path.join(__dirname, 'production', file), args.map(String), { execPath: binary, execArgv: file === 'server.js' ? ['--max-old-space-size=4096'] : [] }))
    return children.at(-1)
  }
  try {
    const told = []
    const server = child('server.js', [directory, heap, healthy ? 0 : 1])
    const { port, heapBytes } = await answer(server, 'port')
    server.on('message', (message) => { if (message.told !== undefined) told.push(message.told) })
    const client = child('clients.js', [port, seed])
    await Promise.race([new Promise((resolve) => setTimeout(resolve, minutes * 60_000)), gone(server), gone(client)])
    client.send({ end: true })
    const { clients } = await answer(client, 'clients')
    server.send({ end: true })
    await once(server, 'exit')
    return { told, clients, heapBytes }
  } finally {
    for (const one of children) one.kill('SIGKILL')
    fs.rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
  }
}

function readOptions () {
  let values
  try {
    ({ values } = parseArgs({ options: { help: { type: 'boolean' }, healthy: { type: 'boolean', default: false }, heap: { type: 'string', default: '500' }, json: { type: 'string' }, minutes: { type: 'string', default: '30' }, node: { type: 'string' }, seed: { type: 'string', default: '1' } } }))
  } catch (error) {
    refuse(error.message)
  }
  if (values.help) {
    process.stdout.write(USAGE)
    process.exit(0)
  }
  const number = (name, low, high) => {
    const value = Number(values[name])
    if (!(value >= low && value <= high)) refuse(`--${name}: expected ${low} to ${high}, received ${values[name]}`)
    return value
  }
  const binary = values.node === undefined ? process.execPath : nodeBinaries().find(({ major }) => String(major) === values.node)?.binary
  if (binary === undefined) refuse(`--node: expected one of ${nodeBinaries().map(({ major }) => major).join(', ')}, received ${values.node}`)
  return { minutes: number('minutes', 0.5, 1440), heap: number('heap', 20, 4000), seed: number('seed', 1, 1_000_000), healthy: values.healthy, json: values.json, binary }
}

function refuse (why) {
  process.stderr.write(`${why}\n${USAGE}`)
  process.exit(2)
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`)
  process.exitCode = 1
})
