'use strict'

// npm run bench:servers: servers from npm that are not ours, under load with `--require leakprobe/register`. Each answers as it does without, its routes have names, no leak
// is reported, and a capture of it can be analysed.

const { spawn, spawnSync } = require('node:child_process')
const { once } = require('node:events')
const fs = require('node:fs')
const http = require('node:http')
const os = require('node:os')
const path = require('node:path')
const { setTimeout: wait } = require('node:timers/promises')
const { parseArgs } = require('node:util')
const { setupOrExit } = require('../scripts/setup.js')
const { nodeBinaries } = require('../scripts/setup/nodes.js')
const { installPackages } = require('../scripts/setup/packages.js')

const ROOT = path.join(__dirname, '..')
const CLIENTS = 4
const START_MS = 90_000
const CAPTURE_MS = 120_000
const USAGE = `npm run bench:servers -- [options]
  --seconds N      of load for each, 10 to 3600; default 60
  --only LIST      some of them, by their names
  --node 22        one of the supported major versions; default that which runs this
`

async function main () {
  const { seconds, only, binary } = readOptions()
  await setupOrExit({ nodes: true })
  await installPackages(path.join(__dirname, 'servers'), 'installing servers of others')
  const servers = require('./servers/definitions.js').filter(({ name }) => only === undefined || only.includes(name))
  process.stdout.write(`${os.cpus()[0]?.model}, ${os.cpus().length} cores, Node ${spawnSync(binary, ['--version'], { encoding: 'utf8' }).stdout.trim()}, ${seconds} s of load each\n`)
  let wrong = 0
  for (const server of servers) {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'leakprobe-servers-'))
    try {
      const { said, problems } = await judge(server, directory, binary, seconds)
      process.stdout.write(`\n${server.name}: ${problems.length === 0 ? 'right' : 'WRONG'}\n${[...said, ...problems.map((one) => `wrong: ${one}`)].map((line) => `  ${line}\n`).join('')}`)
      wrong += problems.length === 0 ? 0 : 1
    } catch (error) {
      process.stdout.write(`\n${server.name}: WRONG\n  ${error.stack}\n${error.stderr ?? ''}`)
      wrong++
    } finally {
      fs.rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
    }
  }
  process.stdout.write(`\n${servers.length - wrong} of ${servers.length} right\n`)
  process.exitCode = wrong === 0 ? 0 : 1
}

async function judge (server, directory, binary, seconds) {
  server.prepare?.(directory)
  const port = await freePort()
  const runs = []
  for (const fill of [server.fill, undefined]) {
    const bare = await run(server, directory, binary, port)
    try {
      await fill?.(bare.ask)
      runs.push(await oncePerRequest(server, bare))
    } finally {
      await bare.end()
    }
  }
  // What two runs without a probe answer differently says nothing of a third.
  const [expected, again] = runs
  const steady = server.requests.map((one, index) => same(one, expected[index], again[index]))
  const home = path.join(directory, 'leakprobe')
  const probed = await run(server, directory, binary, port, home)
  try {
    const found = await oncePerRequest(server, probed)
    const problems = server.requests.flatMap((one, index) => steady[index] && !same(one, expected[index], found[index]) ? [difference(one, expected[index], found[index])] : [])
    const load = await loaded(server, probed, seconds)
    const [report, stats] = await Promise.all([probed.api('report'), probed.api('stats')])
    const routes = stats.routes.map(({ route }) => route)
    const incident = await captured(probed, home)
    if (load.failed > 0) problems.push(`${load.failed} requests failed under load`)
    for (const leak of report.leaks) problems.push(`a leak is reported: ${leak.route} keeps ${leak.perRequest.value.toFixed(0)} ${leak.perRequest.unit} per request, ${JSON.stringify(leak.culprit ?? leak.retainingPath ?? null)}`)
    for (const route of server.wanted) if (!routes.includes(route)) problems.push(`no route ${route}: ${routes.join(', ')}`)
    problems.push(...incident.problems)
    const { shadow } = incident
    const said = [
      `${load.answered} requests answered, ${steady.filter(Boolean).length} of ${server.requests.length} kinds held against the server without a probe; verdict ${report.verdict}; ${report.cost.freezes} freezes, longest pause ${report.cost.pauseMs.max.toFixed(1)} ms`,
      `routes: ${routes.join(', ')}`,
      `capture: ${shadow?.pauseMs?.toFixed(1) ?? '–'} ms pause, ${((incident.bytes ?? 0) / 1e6).toFixed(1)} MB; analysed: ${incident.analysed ?? '–'}`
    ]
    return { said, problems }
  } finally {
    await probed.end()
  }
}

/** A server, from where all begin; with a `home` it has a probe that keeps its incidents there. */
async function run ({ reset, command, requests }, directory, binary, port, home) {
  reset?.(directory)
  const served = await freePort()
  const { script, args, env } = command(directory, port)
  const probe = home === undefined
    ? {}
    : { NODE_OPTIONS: `--require ${path.join(ROOT, 'register.js')}`, LEAKPROBE_PRESET: 'test', LEAKPROBE_SERVE: `${served}`, LEAKPROBE_DIRECTORY: home, LEAKPROBE_TRIGGERS: 'false' }
  const child = spawn(binary, [fs.realpathSync(script), ...args], { cwd: directory, env: { ...process.env, NODE_ENV: 'production', ...env, ...probe }, stdio: ['ignore', 'ignore', 'pipe'] })
  let complaints = ''
  child.stderr.setEncoding('utf8').on('data', (text) => { complaints = `${complaints}${text}`.slice(-4000) })
  const agent = new http.Agent({ keepAlive: true, maxSockets: CLIENTS })
  const ask = (one) => request(agent, port, one)
  const until = Date.now() + START_MS
  for (;;) {
    const up = await ask(requests[0]).then(() => true, () => false)
    if (up) break
    if (child.exitCode !== null || Date.now() > until) {
      child.kill('SIGKILL')
      throw Object.assign(new Error(`it does not come up (${child.exitCode ?? child.signalCode ?? 'still running'})`), { stderr: complaints })
    }
    await wait(200)
  }
  return {
    ask,
    api: async (name, body) => {
      const { text } = await request(undefined, served, { method: body === undefined ? 'GET' : 'POST', path: `/api/${name}`, headers: { 'x-leakprobe': '1' }, body })
      return JSON.parse(text)
    },
    async end () {
      agent.destroy()
      if (child.exitCode !== null || child.signalCode !== null) throw Object.assign(new Error(`it has ended with ${child.exitCode ?? child.signalCode}`), { stderr: complaints })
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
  }
}

async function oncePerRequest ({ requests }, server) {
  const answers = []
  for (const one of requests) answers.push(await server.ask(one))
  return answers
}

/** Whether two answers have the same status, the same kind, and the same text; of what is random by intention, the same length. */
function same ({ headers }, one, other) {
  const texts = headers?.['x-length-only'] === '1' ? [one.text.length, other.text.length] : [one.text, other.text]
  return one.status === other.status && one.type === other.type && texts[0] === texts[1]
}

function difference ({ method, path }, one, other) {
  return `${method} ${path} is answered with ${other.status} ${other.type}, ${other.text.length} characters; without a probe with ${one.status} ${one.type}, ${one.text.length}`
}

async function loaded ({ requests }, { ask }, seconds) {
  const until = Date.now() + seconds * 1000
  let [answered, failed, next] = [0, 0, 0]
  await Promise.all(Array.from({ length: CLIENTS }, async () => {
    while (Date.now() < until) {
      const one = requests[next++ % requests.length]
      await ask(one).then(({ status }) => { if (status >= 500) failed++; else answered++ }, () => { failed++ })
    }
  }))
  return { answered, failed }
}

/** An incident with a heap snapshot, asked for over HTTP, and what `leakprobe analyze` makes of it. */
async function captured ({ api }, home) {
  const { id } = await api('capture', '{ "heapSnapshot": true }')
  const until = Date.now() + CAPTURE_MS
  for (;;) {
    const state = await api(`incidents/${id}`).then(({ heapSnapshot }) => heapSnapshot?.state)
    if (state !== undefined && state !== 'pending') break
    if (Date.now() > until) return { problems: ['the capture was not written'] }
    await wait(200)
  }
  const name = fs.readdirSync(home, { recursive: true }).find((name) => name.endsWith('.heapsnapshot.gz'))
  const { shadow, heapSnapshot } = await api(`incidents/${id}`)
  if (name === undefined) return { shadow, problems: [`no heap snapshot was written: ${JSON.stringify(heapSnapshot)}`] }
  const file = path.join(home, name)
  const { status, stdout, stderr } = spawnSync(process.execPath, [path.join(ROOT, 'bin.js'), 'analyze', file], { encoding: 'utf8' })
  return { shadow, bytes: fs.statSync(file).size, analysed: stdout.split('\n')[0].replace(/^\S+: /, ''), problems: status === 0 ? [] : [`it cannot be analysed: ${stderr}`] }
}

function request (agent, port, { method = 'GET', path, headers, body }) {
  return new Promise((resolve, reject) => {
    const sent = http.request({ agent, host: '127.0.0.1', port, method, path, headers }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk) => { text += chunk }).on('end', () => resolve({ status: response.statusCode, type: response.headers['content-type'], text })).on('error', reject)
    })
    sent.setTimeout(30_000, () => sent.destroy(new Error('no answer for 30 s'))).on('error', reject).end(body)
  })
}

async function freePort () {
  const server = http.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

function readOptions () {
  const refuse = (why) => {
    process.stderr.write(`${why}\n\n${USAGE}`)
    process.exit(2)
  }
  let values
  try {
    ({ values } = parseArgs({ options: { help: { type: 'boolean' }, seconds: { type: 'string', default: '60' }, only: { type: 'string' }, node: { type: 'string' } } }))
  } catch (error) {
    refuse(error.message)
  }
  if (values.help) {
    process.stdout.write(USAGE)
    process.exit(0)
  }
  const seconds = Number(values.seconds)
  if (!(seconds >= 10 && seconds <= 3600)) refuse('--seconds is a number from 10 to 3600')
  const binary = values.node === undefined ? process.execPath : nodeBinaries().find(({ major }) => `${major}` === values.node)?.binary
  if (binary === undefined) refuse(`--node is one of ${nodeBinaries().map(({ major }) => major).join(', ')}`)
  return { seconds, only: values.only?.split(','), binary }
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`)
  process.exitCode = 1
})
