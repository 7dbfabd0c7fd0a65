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
  --node 20,22     of the supported major versions; default all
  --json FILE      also write everything that was measured there
`

async function main () {
  const { heaps, majors, json } = readOptions()
  await setupOrExit({ nodes: true })
  process.stdout.write(`${os.cpus()[0]?.model ?? 'unknown CPU'}, ${os.cpus().length} cores, ${Math.round(os.totalmem() / 2 ** 30)} GB\n\n`)
  const results = []
  for (const { major, binary } of nodeBinaries()) {
    if (majors !== undefined && !majors.includes(major)) continue
    for (const heap of heaps) results.push({ node: major, heap, ...await measure(binary, heap, (what) => progress(`Node ${major}, ${heap} MB: ${what}`)) })
  }
  progress('')
  process.stdout.write(`${table(results.map(row))}\n`)
  if (json !== undefined) fs.writeFileSync(json, `${JSON.stringify({ schema: 'leakprobe.bench.freeze/1', at: new Date().toISOString(), results }, null, 2)}\n`)
  process.exitCode = results.every(({ shadow, load }) => shadow.state === 'written' && shadow.by === 'shadow' && load.failed === 0) ? 0 : 1
}

async function measure (binary, heap, told) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'leakprobe-freeze-'))
  const app = fork(path.join(__dirname, 'freeze', 'app.js'), [directory, String(heap)], { execPath: binary, execArgv: ['--max-old-space-size=4096'] })
  try {
    told('building the heap')
    const [{ port, heapUsed }] = await once(app, 'message')
    const ask = async (what) => {
      app.send({ what })
      const [answer] = await once(app, 'message')
      return answer.result
    }
    told('floors, idle')
    const floors = []
    for (let i = 0; i < FLOORS; i++) floors.push(await ask('floor'))
    told('heap snapshot by a shadow, under load')
    const memory = watchMemory(app.pid)
    const load = startLoad(port)
    await wait(AROUND_MS)
    const asked = performance.now()
    const shadow = await ask('freeze')
    const latencies = await load.end()
    const extraMemory = memory.end()
    told('v8.writeHeapSnapshot')
    const written = await ask('writeHeapSnapshot')
    told('the inspector')
    const inspector = await ask('inspector')
    const around = latencies.filter(({ began }) => Math.abs(began - asked) < AROUND_MS)
    return {
      heapUsed,
      floors,
      shadow,
      load: {
        requests: latencies.length,
        failed: latencies.filter(({ ms }) => ms === undefined).length,
        aroundP99Ms: quantile(around.map(({ ms }) => ms), 0.99),
        otherP99Ms: quantile(latencies.filter(({ began }) => Math.abs(began - asked) >= AROUND_MS).map(({ ms }) => ms), 0.99)
      },
      extraMemory,
      written,
      inspector
    }
  } finally {
    app.kill('SIGKILL')
    fs.rmSync(directory, { recursive: true, force: true })
  }
}

function startLoad (port) {
  const agent = new http.Agent({ keepAlive: true })
  const latencies = []
  let open = 0
  const timer = setInterval(() => {
    const began = performance.now()
    const seen = { began, ms: undefined }
    latencies.push(seen)
    open++
    const request = http.get({ port, host: '127.0.0.1', path: `/${latencies.length}`, agent }, (response) => {
      response.resume()
      response.once('close', () => {
        if (response.complete) seen.ms = performance.now() - began
        open--
      })
    })
    request.once('error', () => { if (!request.res) open-- })
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

const HEAD = ['Node', 'heap, MB', 'pause idle / load, ms', 'idle + areas + fork + restore', 'p99 around (else), ms', 'longest delay, ms', 'shadow, s', 'extra memory, MB', 'writeHeapSnapshot, s', 'inspector, s', 'times shorter']

function row ({ node, heapUsed, floors, shadow, load, extraMemory, written, inspector }) {
  const parts = shadow.parts ?? {}
  const number = (value, digits = 1) => value === undefined ? '–' : value.toFixed(digits)
  return [
    node, number(heapUsed / MB, 0), `${number(quantile(floors.map(({ pauseMs }) => pauseMs), 0.5))} / ${number(shadow.pauseMs)}`,
    [parts.idleMs, parts.areasMs, parts.forkMs, parts.restoreMs].map((part) => number(part)).join(' + '),
    `${number(load.aroundP99Ms)} (${number(load.otherP99Ms)})`, number(shadow.longestDelayMs), number(shadow.tookMs / 1000), number(extraMemory / MB, 0),
    number(written.pauseMs / 1000), number(inspector.pauseMs / 1000), shadow.pauseMs === undefined ? shadow.because : number(written.pauseMs / shadow.pauseMs, 0)
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
    ({ values } = parseArgs({ options: { heaps: { type: 'string', default: '50,200,500,1000' }, help: { type: 'boolean' }, json: { type: 'string' }, node: { type: 'string' } } }))
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
  return { heaps, majors, json: values.json }
}

function refuse (why) {
  process.stderr.write(`${why}\n${USAGE}`)
  process.exit(2)
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`)
  process.exitCode = 1
})
