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
// Wall-clock time, and on Linux time on a CPU: what others do on the machine is in the first only.
const SCRIPT = `
  require('node:http')
  const { readFileSync } = require('node:fs')
  const onCpu = () => { try { return Number(readFileSync('/proc/self/task/' + process.pid + '/schedstat', 'utf8').split(' ')[0]) / 1e6 } catch { return NaN } }
  const now = () => [performance.now(), onCpu()]
  const before = now()
  const { start } = require(${JSON.stringify(INDEX)})
  const loaded = now()
  const probe = start({ directory: process.argv[1], service: 'start' })
  const started = now()
  console.log(JSON.stringify([loaded.map((at, i) => at - before[i]), started.map((at, i) => at - loaded[i])]))
  probe.stop()
`

async function main () {
  await setupOrExit({ nodes: true })
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'leakprobe-start-'))
  process.stdout.write(`${os.cpus()[0]?.model ?? 'unknown CPU'}, ${os.cpus().length} cores; medians of ${RUNS} processes, ms\n`)
  for (const { major, binary } of nodeBinaries()) {
    const runs = Array.from({ length: RUNS }, () => JSON.parse(execFileSync(binary, ['-e', SCRIPT, directory], { encoding: 'utf8' })))
    const median = (of) => runs.map(of).sort((a, b) => a - b)[Math.floor(RUNS / 2)].toFixed(1)
    const told = (i) => `require ${median(([load]) => load[i])}, start() ${median(([, start]) => start[i])}, both ${median(([load, start]) => load[i] + start[i])}`
    process.stdout.write(`Node ${major}: ${told(0)}; on a CPU: ${told(1)}\n`)
  }
  fs.rmSync(directory, { recursive: true, force: true })
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`)
  process.exitCode = 1
})
