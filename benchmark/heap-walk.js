'use strict'

// npm run bench:heap-walk: the walk over the heap against V8's heap snapshot, on every supported Node.js; and with --walks N
// whether walks of an app that allocates at full speed answer, and answer right.

const { fork } = require('node:child_process')
const { once } = require('node:events')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { parseArgs } = require('node:util')
const { setupOrExit } = require('../scripts/setup.js')
const { nodeBinaries } = require('../scripts/setup/nodes.js')

const USAGE = `npm run bench:heap-walk -- [options]
  --megabytes 100,500  sizes of the heap; default 100
  --walks N            instead: N walks of an app that allocates at full speed, half of them without a collection in the shadow
  --node 20,22         of the supported major versions; default all
  --json FILE          also write everything that was measured there
`
const SHAPES = ['objects', 'mixed']

async function main () {
  const { megabytes, walks, majors, json } = readOptions()
  await setupOrExit({ nodes: true })
  process.stdout.write(`${os.cpus()[0]?.model ?? 'unknown CPU'}, ${os.cpus().length} cores\n\n`)
  const results = []
  for (const { major, binary } of nodeBinaries()) {
    if (majors !== undefined && !majors.includes(major)) continue
    if (walks !== undefined) {
      for (const [how, count] of [['stress', Math.ceil(walks / 2)], ['stalled', Math.floor(walks / 2)]]) {
        if (count > 0) results.push(show({ node: major, collected: how === 'stress', ...await run(binary, [how, count]) }))
      }
      continue
    }
    for (const shape of SHAPES) for (const size of megabytes) results.push(show({ node: major, shape, ...compared(await run(binary, [shape, size])) }))
  }
  if (json !== undefined) fs.writeFileSync(json, `${JSON.stringify({ schema: 'leakprobe.bench.heap-walk/1', at: new Date().toISOString(), results }, null, 2)}\n`)
}

function compared ({ heapMb, walk, dominators, snapshot }) {
  return {
    heapMb,
    walkCpuMs: walk.ms,
    walkMbPerSecond: heapMb / walk.ms * 1e3,
    walkMemoryMb: walk.memoryMb,
    memoryOfHeap: walk.memoryMb / heapMb,
    withDominatorsMbPerSecond: heapMb / (walk.ms + dominators.ms) * 1e3,
    withDominatorsMemoryOfHeap: (walk.memoryMb + dominators.memoryMb) / heapMb,
    snapshotCpuMs: snapshot.ms,
    snapshotMemoryMb: snapshot.memoryMb,
    timesFaster: snapshot.ms / walk.ms,
    timesLessMemory: snapshot.memoryMb / walk.memoryMb
  }
}

function show (result) {
  const text = Object.entries(result).map(([name, value]) => `${name} ${typeof value === 'number' ? Number(value.toFixed(2)) : JSON.stringify(value)}`)
  process.stdout.write(`${text.join(', ')}\n`)
  return result
}

async function run (binary, args) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'leakprobe-walk-'))
  const child = fork(path.join(__dirname, 'heap-walk', 'app.js'), [directory, ...args.map(String)], { execPath: binary, execArgv: ['--max-old-space-size=4096'] })
  try {
    const [told] = await once(child, 'message')
    return told
  } finally {
    child.kill('SIGKILL')
    fs.rmSync(directory, { recursive: true, force: true })
  }
}

function readOptions () {
  let values
  try {
    ({ values } = parseArgs({ options: { help: { type: 'boolean' }, json: { type: 'string' }, megabytes: { type: 'string', default: '100' }, node: { type: 'string' }, walks: { type: 'string' } } }))
  } catch (error) {
    refuse(error.message)
  }
  if (values.help) {
    process.stdout.write(USAGE)
    process.exit(0)
  }
  const numbers = (text) => text?.split(',').map(Number)
  const [megabytes, majors, [walks] = []] = [numbers(values.megabytes), numbers(values.node), numbers(values.walks)]
  const wrong = [...megabytes, ...(majors ?? []), walks ?? 1].find((value) => !Number.isInteger(value) || value < 1)
  if (wrong !== undefined) refuse(`expected whole numbers from 1, received ${wrong}`)
  return { megabytes, majors, walks, json: values.json }
}

function refuse (message) {
  process.stderr.write(`${message}\n${USAGE}`)
  process.exit(2)
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`)
  process.exitCode = 1
})
