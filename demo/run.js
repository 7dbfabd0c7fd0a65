'use strict'

// npm run demo: a leaking server, its leaky routes named, evidence on disk, in about a minute.
// Exit code 0 when the three leaky routes and nothing else were named and the incident is complete; else 1, with what is missing.

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { parseArgs } = require('node:util')
const { setupOrExit } = require('../scripts/setup.js')
const { checkSnapshot, shortfalls, unnamed } = require('./narrator/outcome.js')
const { openScreen } = require('./narrator/screen.js')
const { startLoad, startServer } = require('./narrator/stage.js')
const { Story } = require('./narrator/story.js')
const { History, statusLine, table } = require('./narrator/table.js')
const { Watch } = require('./narrator/watch.js')

const CONFIG = require('./leakprobe.config.json')
const RUNS = path.join(__dirname, '.leakprobe')
const BIN = path.join(__dirname, '..', 'bin.js')
const WARM_UP_MS = 2000 // of preset 'test'
const REDRAW_MS = 250
const REPORT_PATIENCE_MS = 15_000
const SNAPSHOT_PATIENCE_MS = 20_000
const SECONDS = { default: 40, min: 30, max: 600 }
/** The load goes on so many times longer at most, while a leak is not named yet: a busy machine shows less in the same time. */
const LONGER = 3
/** With --keep: the share of the load, small enough that the heap lasts for hours, and its length, a week. */
const KEPT_SHARE = 0.1
const KEPT_S = 604_800
const USAGE = `npm run demo -- [options]
  --seconds N      length of the load, ${SECONDS.min} to ${SECONDS.max}; default ${SECONDS.default}; up to ${LONGER} times that while a leak is not named yet
  --keep           go on until Ctrl-C, with a tenth of the load, and say where the dashboard is
  --json           print one JSON object and nothing else
  --directory DIR  write there instead of into demo/.leakprobe/PID; must be empty
  --seed N         of the mix of requests; default 1
`

const running = [] // what Ctrl-C has to stop
let interrupted = false

async function main () {
  const options = readOptions()
  const began = Date.now()
  await setupOrExit()
  const started = Date.now()
  prepare(options.directory)
  const color = process.stdout.isTTY && process.env.NO_COLOR === undefined
  const screen = openScreen(options)
  running.push({ stop: async () => screen.close() })
  const told = (text) => screen.say(`${((Date.now() - started) / 1000).toFixed(1).padStart(6)} s  ${text}`)

  const server = await startServer(options)
  running.push(server)
  told(`a mail-templating server listens on 127.0.0.1:${server.port}: node --require leakprobe/register demo/server.js`)
  const loadBegan = Date.now()
  const load = startLoad({ seed: options.seed, atMost: options.seconds * LONGER, port: server.port })
  running.push(load)
  const [trigger] = CONFIG.triggers
  told(`clients ask for ${options.seconds} s; the alarm is set at a p95 of ${trigger.when.aboveMs} ms on ${trigger.routes.join(', ')}`)

  const watch = new Watch(options.directory, CONFIG.service, server.pid)
  const story = new Story(told, { warmUpMs: WARM_UP_MS })
  const { look, silence } = viewer({ watch, story, screen, server, loadBegan, seconds: options.seconds, color })
  const enough = decider({ load, watch, told, endsAt: loadBegan + options.seconds * 1000 })
  const redraw = setInterval(() => {
    look()
    enough()
  }, REDRAW_MS)
  const ended = server.closed.then(() => { throw new Error(`the server ended before the load was over\n${server.said()}`) })
  ended.catch(() => {}) // it ends in any case, later
  const counts = await Promise.race([load.counts, ended, silence])
  const loadMs = Date.now() - loadBegan
  await snapshotIsWritten(watch, story)
  if (!options.keep) await server.stop()
  clearInterval(redraw)
  look()
  screen.close()
  finish({ options, watch, counts, durations: { setupMs: started - began, loadMs, totalMs: Date.now() - began } })
  if (options.keep) await goOn({ options, watch, server })
}

/** The dashboard has something to show for as long as somebody looks. */
async function goOn ({ options, watch, server }) {
  const { state, because } = watch.report().process.capabilities.server
  if (state !== 'native') throw new Error(`the dashboard is not served: ${because}`)
  running.push(startLoad({ seed: options.seed, atMost: KEPT_S, port: server.port, share: KEPT_SHARE }))
  process.stdout.write(`\nthe dashboard: ${because}/\nthe server goes on with a tenth of the load; Ctrl-C ends it\n`)
  await server.closed
  if (!interrupted) throw new Error(`the server ended\n${server.said()}`)
}

/** Looks at what leakprobe wrote, tells what is new, and draws the table. `silence` rejects when nothing is ever written. */
function viewer ({ watch, story, screen, server, loadBegan, seconds, color }) {
  const history = new History()
  const fullBarMs = CONFIG.triggers[0].when.aboveMs
  let noReport
  const silence = new Promise((resolve, reject) => { noReport = reject })
  const look = () => {
    const incident = watch.incident()
    if (incident !== undefined) story.takeIncident(incident)
    const report = watch.report()
    const elapsedMs = Date.now() - loadBegan
    if (report === undefined) {
      if (elapsedMs > REPORT_PATIENCE_MS) noReport(new Error(`leakprobe writes no report into ${watch.directory}\n${server.said()}`))
      return
    }
    story.takeReport(report)
    history.add(report)
    const status = statusLine({ report, elapsed: elapsedMs / 1000, seconds, residentBytes: watch.residentBytes() })
    screen.draw(['', ...table(report, history, { columns: screen.columns, color, fullBarMs }), status])
  }
  return { look, silence }
}

/** Ends the load when its time is over and every leak is named. */
function decider ({ load, watch, told, endsAt }) {
  let ended = false
  let toldSo = false
  return () => {
    const report = watch.report()
    if (ended || Date.now() < endsAt || report === undefined) return
    const open = unnamed(report).map(({ route }) => route)
    if (watch.incident() === undefined) open.push('the incident')
    ended = open.length === 0
    if (ended) load.end()
    else if (!toldSo) told(`not enough data yet on ${open.join(', ')}: the load goes on`)
    toldSo = true
  }
}

function finish ({ options, watch, counts, durations }) {
  const report = watch.report()
  const incident = watch.incident()
  const snapshot = checkSnapshot(incident)
  const missing = shortfalls({ report, incident, snapshot, load: counts })
  process.exitCode = missing.length === 0 ? 0 : 1
  if (options.json) {
    const result = {
      schema: 'leakprobe.demo/1',
      ok: missing.length === 0,
      missing,
      verdict: report?.verdict,
      leaks: report?.leaks ?? [],
      routes: report?.routes ?? [],
      incident: incident && { directory: incident.directory, ...incident.record, snapshotCheck: snapshot },
      load: counts,
      cost: report?.cost,
      directory: watch.directory,
      durations
    }
    process.stdout.write(`${JSON.stringify(result)}\n`)
    return
  }
  process.stdout.write(`\nnpx leakprobe report ${path.relative('.', watch.directory)}\n\n`)
  spawnSync(process.execPath, [BIN, 'report', watch.directory], { stdio: 'inherit' })
  if (incident !== undefined) {
    process.stdout.write(`\nthe incident: ${path.relative('.', incident.directory)}\n`)
    if (snapshot.complete) process.stdout.write(`its heap snapshot: ${snapshot.nodes.toLocaleString('en-US')} nodes and ${snapshot.edges.toLocaleString('en-US')} edges; ${snapshot.because}\n`)
  }
  process.stdout.write(missing.length === 0
    ? '\nthe three leaky routes were named, and none of the healthy ones\n'
    : `\nthe demo fell short:\n${missing.map((text) => `  ${text}\n`).join('')}`)
}

async function snapshotIsWritten (watch, story) {
  if (watch.incident() === undefined) return
  const patience = Date.now() + SNAPSHOT_PATIENCE_MS
  while (!story.incidentIsWritten && Date.now() < patience) await new Promise((resolve) => setTimeout(resolve, REDRAW_MS))
}

function prepare (directory) {
  fs.mkdirSync(RUNS, { recursive: true, mode: 0o700 })
  for (const name of fs.readdirSync(RUNS)) {
    if (!isAlive(Number(name))) fs.rmSync(path.join(RUNS, name), { recursive: true, force: true })
  }
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 })
  if (fs.readdirSync(directory).length > 0) refuse(`--directory: expected an empty one, received ${directory}`)
}

function isAlive (pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

function readOptions () {
  let values
  try {
    ({ values } = parseArgs({
      options: {
        directory: { type: 'string', default: path.join(RUNS, String(process.pid)) },
        help: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        keep: { type: 'boolean', default: false },
        seconds: { type: 'string', default: String(SECONDS.default) },
        seed: { type: 'string', default: '1' }
      }
    }))
  } catch (error) {
    refuse(error.message)
  }
  if (values.help) {
    process.stdout.write(USAGE)
    process.exit(0)
  }
  const seconds = Number(values.seconds)
  const seed = Number(values.seed)
  if (!(seconds >= SECONDS.min && seconds <= SECONDS.max)) refuse(`--seconds: expected ${SECONDS.min} to ${SECONDS.max}, received ${values.seconds}`)
  if (!Number.isSafeInteger(seed)) refuse(`--seed: expected an integer, received ${values.seed}`)
  if (values.keep && values.json) refuse('--keep and --json: one of them')
  return { directory: path.resolve(values.directory), json: values.json, keep: values.keep, seconds, seed }
}

function refuse (message) {
  process.stderr.write(`${message}\n${USAGE}`)
  process.exit(2)
}

async function stopAll () {
  await Promise.allSettled(running.splice(0).map((part) => part.stop()))
}

for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143]]) {
  process.once(signal, () => {
    interrupted = true
    stopAll().finally(() => process.exit(code))
  })
}

main().catch(async (error) => {
  if (interrupted) return
  await stopAll()
  process.stderr.write(`${error.message}\n`)
  process.exit(1)
})
