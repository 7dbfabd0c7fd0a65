'use strict'

// npm run bench:start: what an application's start costs with leakprobe: loading it, and start() until the probe records, in fresh
// processes on every supported Node.js, of the package as it is installed. What `node` itself needs is not in it.
//
// The application waits for the time of its own thread; what other threads (the probe's, V8's, libuv's) do meanwhile, and in the second
// after, is told beside it. `node benchmark/start.js --with DIR` measures another installed package in turn with this one.

const { execFileSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { parseArgs } = require('node:util')
const { makeMain } = require('../scripts/package/main.js')
const { makePlatforms } = require('../scripts/package/platforms.js')
const { setupOrExit } = require('../scripts/setup.js')
const { nodeBinaries } = require('../scripts/setup/nodes.js')

const RUNS = 15
const ROOT = path.join(__dirname, '..')
// Clocks that load nothing of Node's: `performance` would load what the probe needs as well. The kernel adds up a thread's time at each
// of its ticks, which are milliseconds apart, and when somebody asks for the process's: so that is asked before.
const SCRIPT = `
  require('node:http')
  const { readFileSync, readdirSync } = require('node:fs')
  const onCpu = (thread) => { try { return Number(readFileSync('/proc/self/task/' + thread + '/schedstat', 'utf8').split(' ')[0]) / 1e6 } catch { return NaN } }
  const wall = () => Number(process.hrtime.bigint()) / 1e6
  const now = () => {
    const at = wall()
    const { user, system } = process.cpuUsage()
    return [at, onCpu(process.pid), (user + system) / 1e3]
  }
  const since = (before, after) => after.map((value, i) => value - before[i])
  now()
  const before = now()
  const { start } = require(process.argv[1])
  const loaded = now()
  const probe = start({ directory: process.argv[2], service: 'start' })
  const started = now()
  setTimeout(() => {
    console.log(JSON.stringify([since(before, loaded), since(loaded, started), since(before, started), since(started, now())]))
    probe.stop()
  }, 1000)
`

async function main () {
  const { values: { with: other } } = parseArgs({ options: { with: { type: 'string' } } })
  await setupOrExit({ nodes: true })
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'leakprobe-start-'))
  const packages = { 'this one': await install(directory) }
  if (other !== undefined) packages[other] = path.resolve(other)
  process.stdout.write(`${os.cpus()[0]?.model ?? 'unknown CPU'}, ${os.cpus().length} cores; medians of ${RUNS} processes (least), ms\n`)
  for (const { major, binary } of nodeBinaries()) measure(`Node ${major}`, binary, packages, path.join(directory, 'data'))
  fs.rmSync(directory, { recursive: true, force: true })
}

function measure (title, binary, packages, data) {
  const runs = Object.fromEntries(Object.keys(packages).map((name) => [name, []]))
  for (let run = 0; run < RUNS; run++) {
    for (const [name, folder] of Object.entries(packages)) {
      fs.rmSync(data, { recursive: true, force: true })
      runs[name].push(JSON.parse(execFileSync(binary, ['-e', SCRIPT, folder, data], { encoding: 'utf8' })))
    }
  }
  for (const [name, measured] of Object.entries(runs)) {
    const told = (stretch, clock) => {
      const sorted = measured.map((run) => run[stretch][clock]).sort((a, b) => a - b)
      return `${sorted[Math.floor(RUNS / 2)].toFixed(1)} (${sorted[0].toFixed(1)})`
    }
    process.stdout.write(`${title}${Object.keys(packages).length > 1 ? `, ${name}` : ''}: app thread on a CPU: require ${told(0, 1)}, start() ${told(1, 1)}, both ${told(2, 1)}; ` +
      `wall-clock ${told(2, 0)}; all threads on a CPU ${told(2, 2)}, in the second after ${told(3, 2)}\n`)
  }
}

/** The package and its binary in an application's node_modules; the package's folder. */
async function install (directory) {
  const modules = path.join(directory, 'node_modules')
  const { made } = await makePlatforms(ROOT, path.join(directory, 'platforms'), ROOT)
  const folder = path.join(modules, 'leakprobe')
  makeMain(ROOT, folder, made.map(({ name }) => name))
  for (const { name, folder: platform } of made) fs.renameSync(platform, path.join(modules, name))
  return folder
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`)
  process.exitCode = 1
})
