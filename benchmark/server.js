'use strict'

// npm run bench:server: what serving over HTTP costs the app, how fast it answers while the app is stuck, and what hostile
// clients can do to the app. Variants take turns in one app process; ratios are to the neighbour in time, and medians are told.

const { fork, spawnSync } = require('node:child_process')
const { once } = require('node:events')
const fs = require('node:fs')
const http = require('node:http')
const os = require('node:os')
const path = require('node:path')
const { performance } = require('node:perf_hooks')
const { setTimeout: wait } = require('node:timers/promises')
const { parseArgs } = require('node:util')
const { setupOrExit } = require('../scripts/setup.js')
const { prometheus } = require('./server/prometheus.js')

const PARTS = ['stuck', 'scrape', 'abuse', 'prometheus']
const USAGE = `npm run bench:server -- [options]
  --parts LIST   of ${PARTS.join(', ')}; default all
  --rounds N     rounds of scrape and of abuse, 1 to 100; default 12
  --quick        short: shows that it works, not how fast
`

async function main () {
  const { parts, rounds, quick } = readOptions()
  await setupOrExit()
  process.stdout.write(`${os.cpus()[0]?.model}, ${os.cpus().length} cores, load ${os.loadavg()[0].toFixed(1)}, Linux ${os.release()}, Node ${process.version}\n`)
  if (parts.includes('prometheus')) {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'leakprobe-bench-'))
    process.stdout.write(`${await prometheus(quick ? 20 : 120, directory)}\n`)
    fs.rmSync(directory, { recursive: true, force: true })
  }
  if (parts.every((part) => part === 'prometheus')) return
  const app = await startApp()
  try {
    if (parts.includes('scrape')) await scrape(app, rounds, quick ? 1000 : 5000)
    if (parts.includes('abuse')) await abuse(app, rounds, quick ? 200 : Math.ceil(10_000 / rounds))
    if (parts.includes('stuck')) await stuck(app)
  } finally {
    app.end()
  }
}

async function startApp () {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'leakprobe-bench-'))
  const child = startChild('app.js', [directory])
  const [{ app, served }] = await once(child, 'message')
  const load = startChild('load.js', [app])
  await once(load, 'message')
  await ask(load, { ms: 3000 })
  return { pid: child.pid, app, served, load, end () { child.kill(); load.kill(); fs.rmSync(directory, { recursive: true, force: true }) } }
}

function startChild (name, args) {
  return fork(path.join(__dirname, 'server', name), args.map(String))
}

async function ask (child, message) {
  child.send(message)
  const [answer] = await once(child, 'message')
  if (answer.error !== undefined) throw new Error(answer.error)
  return answer
}

/**
 * Throughput with a scrape each second, and without; and what a request takes of the app thread's CPU, which other processes of the
 * machine disturb less.
 */
async function scrape ({ pid, served, load }, rounds, ms) {
  const found = { true: [], false: [] }
  const server = thread(pid, 'leakprobe-http')
  let [scrapes, scraping] = [0, 0]
  for (let round = 0; round < rounds; round++) {
    for (const on of round % 2 === 0 ? [false, true] : [true, false]) {
      const before = [cpuMs(pid, pid), cpuMs(pid, server)]
      const stop = on ? everySecond(() => get(served, '/metrics').then(() => scrapes++)) : () => {}
      const { perSecond, requests } = await ask(load, { ms })
      stop()
      found[on].push({ perSecond, cpuUs: 1000 * (cpuMs(pid, pid) - before[0]) / requests })
      if (on) scraping += cpuMs(pid, server) - before[1]
    }
  }
  const ratios = (of) => found.true.map((one, index) => one[of] / found.false[index][of])
  const told = (of, digits) => `${median(found.true.map((one) => one[of])).toFixed(digits)} with, ${median(found.false.map((one) => one[of])).toFixed(digits)} without; ` +
    `ratio ${median(ratios(of)).toFixed(4)} (${quartiles(ratios(of), 4)})`
  const { body } = await get(served, '/metrics')
  process.stdout.write(`scrape each second, ${rounds} rounds of ${ms} ms, ${(body.length / 1000).toFixed(0)} kB, 49 routes:\n` +
    `  requests/s: ${told('perSecond', 0)}\n  CPU of the app thread per request, µs: ${told('cpuUs', 1)}\n` +
    `  CPU of the server's thread: ${(scraping / scrapes).toFixed(2)} ms for a scrape\n`)
}

/**
 * p99 of the app while garbage goes to the probe, to a sink of its own process, and nowhere. Hostile clients do not run on the machine
 * that they attack: where there are two cores, the app's thread and its clients have one, all else, the probe's threads too, the other, and
 * the hostile ones run only when nobody else wants it; else V8's own threads would wait for them, and each collection with those.
 */
async function abuse ({ pid, app, served, load }, rounds, count) {
  const patient = startChild('load.js', [app])
  await once(patient, 'message')
  const [garbage, sinkProcess] = [startChild('garbage.js', []), startChild('garbage.js', ['sink'])]
  const [, [sink]] = await Promise.all([once(garbage, 'message'), once(sinkProcess, 'message')])
  const apart = pin(0, [load.pid, patient.pid, pid]) && pin(1, [...threads(pid).filter((id) => id !== `${pid}`), garbage.pid, sinkProcess.pid]) && giveWay(garbage.pid)
  const ports = { probe: served, sink, none: undefined }
  const quick = { probe: [], sink: [], none: [] }
  const waiting = { probe: [], sink: [], none: [] }
  const before = memory(pid)
  const server = thread(pid, 'leakprobe-http')
  let most = before
  let ms = 4000
  let [cpu, time] = [0, 0]
  for (let round = 0; round < rounds; round++) {
    const order = ['probe', 'sink', 'none'].map((_, index, all) => all[(index + round) % 3])
    for (const variant of order) {
      const port = ports[variant]
      const began = [performance.now(), cpuMs(pid, server)]
      const sent = port === undefined ? undefined : ask(garbage, { port, count })
      const seen = await Promise.all([ask(load, { ms, perSecond: 150 }), ask(patient, { ms, perSecond: 150, path: '/waits' })])
      quick[variant].push(seen[0].p99Ms)
      waiting[variant].push(seen[1].p99Ms)
      const done = await sent
      if (variant === 'probe') {
        ms = Math.max(2000, Math.min(20_000, done.ms))
        time += performance.now() - began[0]
        cpu += cpuMs(pid, server) - began[1]
      }
      most = Math.max(most, memory(pid))
    }
  }
  for (const child of [patient, garbage, sinkProcess]) child.kill()
  const told = (p99) => {
    const against = (other) => p99.probe.map((value, index) => value / p99[other][index])
    return `${median(p99.probe).toFixed(2)} ms at the probe, ${median(p99.sink).toFixed(2)} ms at a sink, ${median(p99.none).toFixed(2)} ms without; ` +
      `ratio to the sink ${median(against('sink')).toFixed(3)} (${quartiles(against('sink'), 3)}), to none ${median(against('none')).toFixed(3)} (${quartiles(against('none'), 3)})`
  }
  process.stdout.write(`${rounds * count} requests of garbage and 500 slow connections, ${rounds} rounds, ${apart ? 'they and the probe\'s threads on a core of their own, they at idle priority' : 'all on the same cores'}; p99 of the app:\n` +
    `  requests with work of some 0.1 ms: ${told(quick)}\n  requests that wait 20 ms besides: ${told(waiting)}\n` +
    `CPU of the server's thread meanwhile: ${(100 * cpu / time).toFixed(1)} % of one\n` +
    `memory of the app: ${mb(before)} before, at most ${mb(most)}, ${mb(memory(pid))} after\n`)
}

/** How fast the server answers while the app is in a loop of 10 s, and what it says of it. */
async function stuck ({ app, served }) {
  const idle = await answers(served, 3000)
  http.get({ host: '127.0.0.1', port: app, path: '/spin' }).on('error', () => {})
  await wait(500)
  const busy = await answers(served, 9000)
  const silent = Number(/^leakprobe_event_loop_silent_seconds (\S+)/m.exec((await get(served, '/metrics')).body)?.[1])
  process.stdout.write(`answers (/metrics, /, /api/stats in turn, 50 a second): ${busy.count} while the app is in an endless loop: p50 ${busy.p50} ms, p99 ${busy.p99} ms, max ${busy.max} ms; ` +
    `before: p50 ${idle.p50} ms, p99 ${idle.p99} ms; the loop is said to be silent for ${silent.toFixed(1)} s\n`)
}

async function answers (port, ms) {
  const agent = new http.Agent({ keepAlive: true })
  const times = []
  const until = performance.now() + ms
  for (let index = 0; performance.now() < until; index++) {
    const before = performance.now()
    const { status } = await get(port, ['/metrics', '/', '/api/stats'][index % 3], agent)
    times.push(performance.now() - before)
    if (status !== 200) throw new Error(`status ${status}`)
    await wait(20)
  }
  agent.destroy()
  times.sort((a, b) => a - b)
  const at = (share) => times[Math.min(times.length - 1, Math.floor(share * times.length))].toFixed(2)
  return { count: times.length, p50: at(0.5), p99: at(0.99), max: at(1) }
}

function get (port, target, agent) {
  return new Promise((resolve, reject) => {
    http.get({ host: '127.0.0.1', port, path: target, agent }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (chunk) => { body += chunk }).on('end', () => resolve({ status: response.statusCode, body }))
    }).on('error', reject)
  })
}

function everySecond (call) {
  const timer = setInterval(() => { call().catch(() => {}) }, 1000)
  return () => clearInterval(timer)
}

function memory (pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024
}

/** CPU time of a thread so far, ms. */
function cpuMs (pid, thread) {
  return Number(fs.readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]) / 1e6
}

function threads (pid) {
  return fs.readdirSync(`/proc/${pid}/task`)
}

/** Has these threads run on one core only; `false` where that cannot be. Threads that a process has already stay where they are. */
function pin (core, ids) {
  return os.cpus().length > 1 && ids.every((id) => spawnSync('taskset', ['-cp', `${core}`, `${id}`]).status === 0)
}

/** Has a process run only where nobody else would. */
function giveWay (pid) {
  return spawnSync('chrt', ['--all-tasks', '--idle', '--pid', '0', `${pid}`]).status === 0
}

/** The thread of this name. */
function thread (pid, name) {
  return threads(pid).find((id) => fs.readFileSync(`/proc/${pid}/task/${id}/comm`, 'utf8').trim() === name)
}

function mb (bytes) {
  return `${(bytes / 1e6).toFixed(0)} MB`
}

function sorted (numbers) {
  return [...numbers].sort((a, b) => a - b)
}

function median (numbers) {
  const inOrder = sorted(numbers)
  const middle = inOrder.length >> 1
  return inOrder.length % 2 === 1 ? inOrder[middle] : (inOrder[middle - 1] + inOrder[middle]) / 2
}

function quartiles (numbers, digits) {
  const inOrder = sorted(numbers)
  return `quartiles ${inOrder[inOrder.length >> 2].toFixed(digits)} to ${inOrder[(inOrder.length * 3) >> 2].toFixed(digits)}`
}

function readOptions () {
  let values
  try {
    values = parseArgs({ options: {
      help: { type: 'boolean', default: false },
      parts: { type: 'string', default: PARTS.join(',') },
      rounds: { type: 'string', default: '12' },
      quick: { type: 'boolean', default: false }
    } }).values
  } catch (error) {
    return refuse(error.message)
  }
  if (values.help) {
    process.stdout.write(USAGE)
    process.exit(0)
  }
  const rounds = values.quick ? 2 : Number(values.rounds)
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100) refuse(`--rounds: expected 1 to 100, received ${values.rounds}`)
  const parts = values.parts.split(',')
  const unknown = parts.find((part) => !PARTS.includes(part))
  if (unknown !== undefined) refuse(`--parts: expected some of ${PARTS.join(', ')}, received ${unknown}`)
  return { parts, rounds, quick: values.quick }
}

function refuse (message) {
  process.stderr.write(`${message}\n${USAGE}`)
  process.exit(2)
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`)
  process.exitCode = 1
})
