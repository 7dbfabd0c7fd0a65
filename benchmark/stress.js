'use strict'

// npm run stress:freeze: a busy server is frozen again and again, on every supported Node.js. Nothing may be lost: no
// request, no connection, no child, no descriptor; and nearly every shadow answers at the first try.

const { fork } = require('node:child_process')
const { once } = require('node:events')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { parseArgs } = require('node:util')
const { setupOrExit } = require('../scripts/setup.js')
const { nodeBinaries } = require('../scripts/setup/nodes.js')
const { judge, row, table } = require('./stress/result.js')

const USAGE = `npm run stress:freeze -- [options]
  --freezes N      per Node.js, 1 to 100000; default 1000
  --node 20,22     of the supported major versions; default all
  --json FILE      also write everything that was measured there
`

async function main () {
  const { freezes, majors, json } = readOptions()
  await setupOrExit({ nodes: true })
  const results = []
  for (const { major, binary } of nodeBinaries()) {
    if (majors !== undefined && !majors.includes(major)) continue
    const result = await stress(binary, freezes, (done) => progress(`Node ${major}: ${done} of ${freezes} freezes`))
    progress('')
    results.push({ node: major, freezes, ...result, wrong: judge(result) })
  }
  process.stdout.write(`${os.cpus()[0]?.model ?? 'unknown CPU'}, ${os.cpus().length} cores\n\n${table(results.map(row))}\n`)
  for (const { node, wrong } of results) for (const what of wrong) process.stdout.write(`Node ${node}: ${what}\n`)
  if (json !== undefined) fs.writeFileSync(json, `${JSON.stringify({ schema: 'leakprobe.stress.freeze/1', at: new Date().toISOString(), results }, null, 2)}\n`)
  process.exitCode = results.every(({ wrong }) => wrong.length === 0) ? 0 : 1
}

async function stress (binary, freezes, told) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'leakprobe-stress-'))
  const children = []
  const run = (file, args) => {
    const child = fork(path.join(__dirname, 'stress', file), args, { execPath: binary })
    children.push(child)
    return child
  }
  try {
    const server = run('server.js', [directory])
    const [{ port }] = await answer(server, 'port')
    const clients = run('clients.js', [String(port)])
    server.on('message', ({ progress }) => { if (progress !== undefined) told(progress) })
    server.send({ freezes })
    const [{ results }] = await answer(server, 'results')
    clients.send({ end: true })
    const [seen] = await answer(clients, 'answered')
    server.send({ end: true })
    const [{ counts, before, after }] = await answer(server, 'counts')
    return { results, clients: seen, server: counts, before, after }
  } finally {
    for (const child of children) child.kill('SIGKILL')
    fs.rmSync(directory, { recursive: true, force: true })
  }
}

/** The next message of a child that has `field`; a child that ends first is an error. */
async function answer (child, field) {
  const gone = new AbortController()
  const ended = once(child, 'exit', { signal: gone.signal }).then(([code, signal]) => {
    throw new Error(`${path.basename(child.spawnargs[1])} ended with ${signal ?? code}`)
  })
  try {
    return await Promise.race([ended, message(child, field)])
  } finally {
    ended.catch(() => {})
    gone.abort()
  }
}

function message (child, field) {
  return new Promise((resolve) => {
    child.on('message', function seen (value) {
      if (value[field] === undefined) return
      child.removeListener('message', seen)
      resolve([value])
    })
  })
}

function readOptions () {
  let values
  try {
    ({ values } = parseArgs({ options: { freezes: { type: 'string', default: '1000' }, help: { type: 'boolean' }, json: { type: 'string' }, node: { type: 'string' } } }))
  } catch (error) {
    refuse(error.message)
  }
  if (values.help) {
    process.stdout.write(USAGE)
    process.exit(0)
  }
  const freezes = Number(values.freezes)
  if (!Number.isInteger(freezes) || freezes < 1 || freezes > 100_000) refuse(`--freezes: expected 1 to 100000, received ${values.freezes}`)
  const known = nodeBinaries().map(({ major }) => major)
  const majors = values.node?.split(',').map(Number)
  const unknown = majors?.find((major) => !known.includes(major))
  if (unknown !== undefined) refuse(`--node: expected some of ${known.join(', ')}, received ${values.node}`)
  return { freezes, majors, json: values.json }
}

function progress (line) {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${line}`)
}

function refuse (why) {
  process.stderr.write(`${why}\n${USAGE}`)
  process.exit(2)
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`)
  process.exitCode = 1
})
