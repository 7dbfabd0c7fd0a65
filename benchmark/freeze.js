'use strict'

// npm run bench:freeze: what a heap snapshot costs a server when a shadow takes it, against the two ways of Node itself, on
// the same heap in the same run.

const { fork } = require('node:child_process')
const { once } = require('node:events')
const fs = require('node:fs')
const http = require('node:http')
const os = require('node:os')
const path = require('node:path')
const { performance } = require('node:perf_hooks')
const { parseArgs } = require('node:util')
const { setupOrExit } = require('../scripts/setup.js')
const { nodeBinaries } = require('../scripts/setup/nodes.js')

const MB = 1024 * 1024
const RATE_MS = 5
const SAMPLE_MS = 200
const FLOORS = 5
/** Requests that began so long before the freeze or after it are around it, ms. */
const AROUND_MS = 1000
const USAGE = `npm run bench:freeze -- [options]
  --heaps LIST     MB of heap, 20 to 2000; default 50,200,500,1000
  --peers MB       the heaps up to which Node's own ways are measured, for they stand still for minutes; default 200
  --snapshots MB   the heaps up to which a heap snapshot is taken, larger ones have floors only; default 2000
  --after S        the event loop is watched so long after the freeze, and until the shadow has ended; default 60
  --node 20,22     of the supported major versions; default all
  --json FILE      also write everything that was measured there
`

async function main () {
  const { heaps, majors, json, ...options } = readOptions()
  await setupOrExit({ nodes: true })
  process.stdout.write(`${os.cpus()[0]?.model ?? 'unknown CPU'}, ${os.cpus().length} cores, ${Math.round(os.totalmem() / 2 ** 30)} GB\n\n`)
  const results = []
  for (const { major, binary } of nodeBinaries()) {
    if (majors !== undefined && !majors.includes(major)) continue
    for (const heap of heaps) results.push({ node: major, heap, ...await measure(binary, heap, options, (what) => progress(`Node ${major}, ${heap} MB: ${what}`)) })
  }
  progress('')
  process.stdout.write(`${table(results.map(row))}\n`)
  if (json !== undefined) fs.writeFileSync(json, `${JSON.stringify({ schema: 'leakprobe.bench.freeze/1', at: new Date().toISOString(), results }, null, 2)}\n`)
  const isGood = ({ shadow, load }) => load.failed === 0 && (shadow === undefined || (shadow.state === 'written' && shadow.by === 'shadow'))
  process.exitCode = results.every(isGood) ? 0 : 1
}

async function measure (binary, heap, { peers, snapshots, after }, told) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'leakprobe-freeze-'))
  const app = fork(path.join(__dirname, 'freeze', 'app.js'), [directory, String(heap)], { execPath: binary, execArgv: ['--max-old-space-size=4096'] })
  try {
    told('building the heap')
    const [{ port, heapUsed }] = await once(app, 'message')
    const ask = async (what, options) => {
      app.send({ what, ...options })
      const [answer] = await once(app, 'message')
      return answer.result
    }
    const floors = { idle: [], loaded: [] }
    told('floors, idle')
    for (let i = 0; i < FLOORS; i++) floors.idle.push(await ask('floor'))
    told('floors, under load')
    const load = startLoad(port)
    const asked = []
    for (let i = 0; i < FLOORS; i++) {
      await wait(AROUND_MS)
      asked.push(performance.now())
      floors.loaded.push(await ask('floor'))
    }
    let shadow, extraMemory
    if (heap <= snapshots) {
      told('heap snapshot by a shadow, under load')
      const memory = watchMemory(app.pid)
      await wait(AROUND_MS)
      asked.push(performance.now())
      shadow = await ask('freeze', { afterMs: after * 1000 })
      extraMemory = memory.end()
    }
    const latencies = await load.end()
    const measured = { heapUsed, floors, shadow, extraMemory, load: latenciesAround(latencies, asked) }
    if (heap > peers) return measured
    told('v8.writeHeapSnapshot')
    const written = await ask('writeHeapSnapshot')
    told('the inspector')
    return { ...measured, written, inspector: await ask('inspector') }
  } finally {
    app.kill('SIGKILL')
    fs.rmSync(directory, { recursive: true, force: true })
  }
}

function latenciesAround (latencies, asked) {
  const isAround = ({ began }) => asked.some((at) => Math.abs(began - at) < AROUND_MS)
  const p99 = (some) => quantile(some.map(({ ms }) => ms), 0.99)
  return {
    requests: latencies.length,
    failed: latencies.filter(({ ms }) => ms === undefined).length,
    errors: latencies.filter(({ ms }) => ms === undefined).map(({ began, error, onReused }) => ({ error, onReused, sinceAskedMs: Math.round(began - (asked.findLast((at) => at <= began) ?? began)) })),
    aroundP99Ms: p99(latencies.filter(isAround)),
    otherP99Ms: p99(latencies.filter((one) => !isAround(one)))
  }
}

function startLoad (port) {
  const agent = new http.Agent({ keepAlive: true })
  const latencies = []
  let open = 0
  const timer = setInterval(() => {
    const began = performance.now()
    const seen = { began, ms: undefined, error: undefined, onReused: undefined }
    latencies.push(seen)
    open++
    const request = http.get({ port, host: '127.0.0.1', path: `/${latencies.length}`, agent }, (response) => {
      response.resume()
      response.once('close', () => {
        if (response.complete) seen.ms = performance.now() - began
        else fails('response cut')
        open--
      })
    })
    const fails = (error) => Object.assign(seen, { error, onReused: request.reusedSocket })
    request.once('error', (error) => {
      if (request.res) return
      fails(error.code ?? error.message)
      open--
    })
  }, RATE_MS)
  return {
    async end () {
      clearInterval(timer)
      while (open > 0) await wait(10)
      agent.destroy()
      return latencies
    }
  }
}

/** Highest sum of the memory of the app and its children above what it is now, each shared page counted once, bytes. */
function watchMemory (pid) {
  const before = proportional(pid)
  let highest = before
  const timer = setInterval(() => {
    highest = Math.max(highest, [pid, ...childrenOf(pid)].reduce((sum, one) => sum + proportional(one), 0))
  }, SAMPLE_MS)
  return {
    end () {
      clearInterval(timer)
      return highest - before
    }
  }
}

function proportional (pid) {
  try {
    return Number(/^Pss:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0) * 1024
  } catch {
    return 0 // it has gone
  }
}

function childrenOf (pid) {
  try {
    return fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}

function quantile (values, q) {
  const sorted = values.filter((value) => value !== undefined).sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]
}

const HEAD = ['Node', 'heap, MB', 'pause idle / load, ms', 'allowed, ms', 'idle + areas + fork + restore', 'p99 around (else), ms', 'failed', 'longest delay, ms', 'shadow, s', 'extra memory, MB', 'writeHeapSnapshot, s', 'inspector, s', 'times shorter']

function row ({ node, heapUsed, floors, shadow, load, extraMemory, written, inspector }) {
  const number = (value, digits = 1) => value === undefined ? '–' : value.toFixed(digits)
  const loaded = shadow?.pauseMs === undefined ? floors.loaded : [...floors.loaded, shadow]
  const pause = (list) => quantile(list.map(({ pauseMs }) => pauseMs), 0.5)
  const part = (name) => number(quantile(loaded.map(({ parts }) => parts?.[name]), 0.5))
  return [
    node, number(heapUsed / MB, 0), `${number(pause(floors.idle))} / ${number(pause(loaded))}`, number(10 + 0.05 * heapUsed / MB, 0),
    ['idleMs', 'areasMs', 'forkMs', 'restoreMs'].map(part).join(' + '),
    `${number(load.aroundP99Ms)} (${number(load.otherP99Ms)})`, load.failed, number(shadow?.longestDelayMs), number(shadow && shadow.tookMs / 1000), number(extraMemory && extraMemory / MB, 0),
    number(written && written.pauseMs / 1000), number(inspector && inspector.pauseMs / 1000), number(written && written.pauseMs / pause(loaded), 0)
  ].map(String)
}

function table (rows) {
  const lines = [HEAD, ...rows]
  const widths = HEAD.map((_, column) => Math.max(...lines.map((line) => line[column].length)))
  const text = (line) => `| ${line.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`
  return [text(HEAD), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...rows.map(text)].join('\n')
}

function wait (ms) {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function progress (line) {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${line}`)
}

function readOptions () {
  let values
  try {
    ({ values } = parseArgs({ options: { after: { type: 'string', default: '60' }, heaps: { type: 'string', default: '50,200,500,1000' }, help: { type: 'boolean' }, json: { type: 'string' }, node: { type: 'string' }, peers: { type: 'string', default: '200' }, snapshots: { type: 'string', default: '2000' } } }))
  } catch (error) {
    refuse(error.message)
  }
  if (values.help) {
    process.stdout.write(USAGE)
    process.exit(0)
  }
  const heaps = values.heaps.split(',').map(Number)
  const wrong = heaps.find((heap) => !Number.isInteger(heap) || heap < 20 || heap > 2000)
  if (wrong !== undefined) refuse(`--heaps: expected MB from 20 to 2000, received ${values.heaps}`)
  const known = nodeBinaries().map(({ major }) => major)
  const majors = values.node?.split(',').map(Number)
  const unknown = majors?.find((major) => !known.includes(major))
  if (unknown !== undefined) refuse(`--node: expected some of ${known.join(', ')}, received ${values.node}`)
  const number = (name) => {
    const value = Number(values[name])
    if (!Number.isInteger(value) || value < 0) refuse(`--${name}: expected a whole number, received ${values[name]}`)
    return value
  }
  return { heaps, majors, json: values.json, after: number('after'), peers: number('peers'), snapshots: number('snapshots') }
}

function refuse (why) {
  process.stderr.write(`${why}\n${USAGE}`)
  process.exit(2)
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`)
  process.exitCode = 1
})
