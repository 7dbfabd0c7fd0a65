'use strict'

// npm run bench:analysis: reading heap snapshots, against memlab, the crate v8-heap-parser, JSON.parse and a bare floor, on files made
// in the run. The variants take turns; each is a process of its own on one core; medians.

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { parseArgs } = require('node:util')

const HERE = path.join(__dirname, 'analysis')
const USAGE = `npm run bench:analysis -- [options]
  --heaps LIST    MB of heap; a file is about 1.8 times as large; default 45,200,480
  --rounds N      default 3
  --slow MB       largest heap for memlab and JSON.parse; default 200
  --json FILE     also write everything that was measured there
`

function main () {
  const { values } = parseArgs({ options: { heaps: { type: 'string', default: '45,200,480' }, rounds: { type: 'string', default: '3' }, slow: { type: 'string', default: '200' }, json: { type: 'string' }, help: { type: 'boolean' } } })
  if (values.help) return process.stdout.write(USAGE)
  run('cargo', ['build', '--release', '--locked'], { cwd: HERE, stdio: 'inherit' })
  if (!fs.existsSync(path.join(HERE, 'node_modules'))) run('npm', ['ci', '--ignore-scripts'], { cwd: HERE, stdio: 'inherit' })
  process.stdout.write(`${os.cpus()[0]?.model ?? 'unknown CPU'}, ${os.cpus().length} cores, Node ${process.version}\n`)
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'leakprobe-analysis-'))
  try {
    const results = values.heaps.split(',').map(Number).map((heap) => measure(directory, heap, Number(values.rounds), heap <= Number(values.slow)))
    if (values.json !== undefined) fs.writeFileSync(values.json, `${JSON.stringify({ schema: 'leakprobe.bench.analysis/1', at: new Date().toISOString(), results }, null, 2)}\n`)
  } finally {
    fs.rmSync(directory, { recursive: true, force: true })
  }
}

function measure (directory, heap, rounds, slow) {
  const file = path.join(directory, `${heap}.heapsnapshot`)
  run(process.execPath, ['--max-old-space-size=8192', path.join(HERE, 'heap.js'), file, String(heap)], { stdio: ['ignore', 'ignore', 'inherit'] })
  const bytes = fs.statSync(file).size
  const binary = (name) => path.join(HERE, 'target', 'release', name)
  const variants = {
    floor: [binary('floor'), file],
    'leakprobe: parse, dominators, retained sizes, classes': [binary('ours'), 'core', file],
    'leakprobe: analyze': [binary('ours'), 'analyze', file],
    'v8-heap-parser': [binary('peer'), file],
    ...slow && {
      memlab: [process.execPath, '--max-old-space-size=16384', path.join(HERE, 'memlab.js'), file],
      'JSON.parse': [process.execPath, '--max-old-space-size=16384', path.join(HERE, 'json.js'), file]
    }
  }
  const samples = {}
  for (let round = 0; round < rounds; round++) {
    for (const [name, command] of Object.entries(variants)) {
      if (round > 0 && ['memlab', 'JSON.parse'].includes(name)) continue
      (samples[name] ??= []).push(once(command))
    }
  }
  fs.rmSync(file)
  process.stdout.write(`\nfile of ${(bytes / 1e6).toFixed(0)} MB\n`)
  const rows = Object.entries(samples).map(([name, runs]) => {
    const failed = runs.find(({ error }) => error !== undefined)
    if (failed) return { name, error: failed.error }
    const seconds = median(runs.map((one) => one.seconds))
    return { name, seconds, mbPerSecond: bytes / 1e6 / seconds, peakTimes: Math.max(...runs.map((one) => one.peakBytes)) / bytes, nodes: runs[0].nodes, bytes: runs[0].bytes }
  })
  for (const { name, seconds, mbPerSecond, peakTimes, error } of rows) {
    process.stdout.write(error ? `  ${name.padEnd(56)} ${error}\n` : `  ${name.padEnd(56)} ${seconds.toFixed(2).padStart(7)} s ${mbPerSecond.toFixed(0).padStart(5)} MB/s ${peakTimes.toFixed(2).padStart(6)} × the file\n`)
  }
  return { heap, bytes, rows }
}

// On one core, where the system can be told so.
function once (command) {
  const pinned = process.platform === 'linux' ? ['taskset', '-c', '0', ...command] : command
  const { status, signal, stdout } = spawnSync(pinned[0], pinned.slice(1), { encoding: 'utf8', maxBuffer: 1 << 26, stdio: ['ignore', 'pipe', 'ignore'] })
  if (status !== 0) return { error: `failed: ${signal ?? status}` }
  return JSON.parse(stdout.trim().split('\n').at(-1))
}

function median (values) {
  return [...values].sort((one, other) => one - other)[values.length >> 1]
}

function run (command, args, options) {
  const { status, error } = spawnSync(command, args, options)
  if (status !== 0) throw error ?? new Error(`${command} ${args.join(' ')}: exit code ${status}`)
}

main()
