'use strict'

// npm run bench:start: what an application's start costs with leakprobe: loading it, and start() until the probe records, in fresh
// processes on every supported Node.js. What `node` itself needs is not in it.

const { execFileSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { setupOrExit } = require('../scripts/setup.js')
const { nodeBinaries } = require('../scripts/setup/nodes.js')

const RUNS = 15
const INDEX = path.join(__dirname, '..', 'index.js')
const SCRIPT = `
  require('node:http')
  const before = performance.now()
  const { start } = require(${JSON.stringify(INDEX)})
  const loaded = performance.now()
  const probe = start({ directory: process.argv[1], service: 'start' })
  const started = performance.now()
  console.log(JSON.stringify([loaded - before, started - loaded]))
  probe.stop()
`

async function main () {
  await setupOrExit({ nodes: true })
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'leakprobe-start-'))
  process.stdout.write(`${os.cpus()[0]?.model ?? 'unknown CPU'}, ${os.cpus().length} cores; medians of ${RUNS} processes, ms\n`)
  for (const { major, binary } of nodeBinaries()) {
    const runs = Array.from({ length: RUNS }, () => JSON.parse(execFileSync(binary, ['-e', SCRIPT, directory], { encoding: 'utf8' })))
    const median = (of) => runs.map(of).sort((a, b) => a - b)[Math.floor(RUNS / 2)].toFixed(1)
    process.stdout.write(`Node ${major}: require ${median(([load]) => load)}, start() ${median(([, start]) => start)}, both ${median(([load, start]) => load + start)}\n`)
  }
  fs.rmSync(directory, { recursive: true, force: true })
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`)
  process.exitCode = 1
})
