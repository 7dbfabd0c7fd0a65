'use strict'

const assert = require('node:assert/strict')
const { spawn } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { test } = require('node:test')
const { bytes, estimate, sparkline } = require('../demo/narrator/format.js')
const { EXPECTED, checkSnapshot, shortfalls } = require('../demo/narrator/outcome.js')
const { History, table } = require('../demo/narrator/table.js')
const { nodesArePinned } = require('../scripts/setup/nodes.js')

/** Half a minute of load on each Node.js would show the same four times. */
const otherNode = nodesArePinned && Number(process.versions.node.split('.')[0]) !== 22 && 'runs on Node.js 22'
const RUN = path.join(__dirname, '..', 'demo', 'run.js')

test('the demo names the three leaky routes and nothing else, and its incident is complete', { timeout: 180_000 }, async (t) => {
  const directory = temporaryDirectory(t)

  const { code, stdout, stderr } = await demo(['--json', '--directory', directory]).closed

  const result = JSON.parse(stdout)
  assert.deepEqual(result.missing, [], stderr)
  assert.equal(code, 0)
  assert.equal(result.ok, true)
  assert.equal(result.verdict, 'leaking')
  assert.deepEqual([...new Set(result.leaks.flatMap((leak) => leak.routes))].sort(), EXPECTED.map(({ route }) => route).sort())
  assert.ok(result.incident.directory.startsWith(directory))
  assert.ok(result.incident.snapshotCheck.nodes > 0)
  assert.ok(fs.existsSync(path.join(result.directory, 'report.json')))
})

test('an interrupted demo stops its server and its clients', { timeout: 60_000, skip: process.platform !== 'linux' }, async (t) => {
  const { child, closed } = demo(['--json', '--directory', temporaryDirectory(t)])
  const children = await eventually(() => {
    const pids = childrenOf(child.pid)
    return pids.length === 2 ? pids : undefined
  })

  child.kill('SIGINT')
  const { code } = await closed

  assert.equal(code, 130)
  assert.deepEqual(children.filter(isAlive), [])
})

test('a demo that is kept says where its dashboard is, and goes on until it is interrupted', { timeout: 180_000, skip: process.platform !== 'linux' || otherNode }, async (t) => {
  const { child, closed, said } = demo(['--keep', '--seconds', '30', '--directory', temporaryDirectory(t)])
  t.after(() => child.kill('SIGINT'))
  const address = await Promise.race([eventually(() => /the dashboard: (http:\S+)\/\n/.exec(said())?.[1]), closed.then(({ stderr }) => { throw new Error(stderr) })])

  const { verdict, process: { pid } } = await (await fetch(`${address}/api/report`)).json()
  const children = childrenOf(child.pid)
  child.kill('SIGINT')
  const { code } = await closed

  assert.equal(verdict, 'leaking')
  assert.equal(children.length, 2)
  assert.ok(children.includes(pid))
  assert.equal(code, 130)
  assert.deepEqual(children.filter(isAlive), [])
})

test('a length out of range is refused with the range', async () => {
  const { code, stderr } = await demo(['--seconds', '5']).closed

  assert.equal(code, 2)
  assert.match(stderr, /--seconds: expected 30 to 600, received 5/)
})

test('a report that blames a healthy route falls short', () => {
  const report = { leaks: [...EXPECTED, { route: 'GET /health', resource: 'heap' }].map((leak) => ({ ...leak, routes: [leak.route] })) }

  const wrong = shortfalls({ report, incident: {}, snapshot: { complete: true }, load: { failed: 0 } })

  assert.deepEqual(wrong, ['GET /health is reported to leak heap and does not'])
})

test('a report that misses a leaky route falls short', () => {
  const report = { leaks: EXPECTED.slice(1).map((leak) => ({ ...leak, routes: [leak.route] })) }

  const wrong = shortfalls({ report, incident: {}, snapshot: { complete: true }, load: { failed: 0 } })

  assert.deepEqual(wrong, ['no leak of heap on GET /mails/:customer is reported'])
})

test('a leak is named by its resource or by its evidence', () => {
  const [heap, ...counted] = EXPECTED.map((leak) => ({ ...leak, routes: [leak.route] }))
  const leaks = [heap, ...counted.map((leak) => ({ ...leak, resource: 'heap', evidence: [{ of: leak.resource }] }))]

  assert.deepEqual(shortfalls({ report: { leaks }, incident: {}, snapshot: { complete: true }, load: { failed: 0 } }), [])
})

test('an incident without its heap snapshot is not complete', (t) => {
  const { complete, because } = checkSnapshot({ directory: temporaryDirectory(t) })

  assert.equal(complete, false)
  assert.match(because, /ENOENT/)
})

test('an estimate keeps one unit for the value and its interval', () => {
  assert.equal(estimate({ value: 8123, low: 990, high: 12345, unit: 'bytes' }), '8.1 kB (1.0–12.3)')
  assert.equal(estimate({ value: 1, low: 0.984, high: 1.02, unit: 'listeners' }), '1.00 (0.98–1.02)')
  assert.equal(bytes(52_000_000), '52.0 MB')
})

test('a sparkline is no wider than asked and clips what is above its scale', () => {
  assert.equal(sparkline([0, 50, 100, 1000], 4, 100), '▁▅██')
  assert.equal(sparkline(Array.from({ length: 99 }, () => 0), 10, 100).length, 10)
})

test('the table marks leaky routes and no line is wider than the terminal', () => {
  const history = new History()
  const report = sampleReport()
  history.add(report)

  for (const columns of [60, 80, 120, 200]) {
    const lines = table(report, history, { columns, color: false, fullBarMs: 120 })
    assert.ok(lines.every((line) => line.length <= columns))
    assert.deepEqual(lines.filter((line) => line.startsWith('▶')).length, 1)
  }
})

test('what is kept is shown of reported routes only, and not while its interval holds zero', () => {
  const [, health, mails] = table(sampleReport(), new History(), { columns: 120, color: false, fullBarMs: 120 })

  assert.match(health, /GET \/health .* · +· +·$/)
  assert.match(mails, /8\.1 kB \(7\.9–8\.3\) +· +·$/)
})

function sampleReport () {
  const recentMs = { count: 9, p50: 1, p95: 2 }
  return {
    process: { uptimeMs: 1 },
    leaks: [{ routes: ['GET /mails/:customer'] }],
    routes: [
      { route: 'GET /mails/:customer', requests: 1234, recentMs, kept: { heap: { value: 8123, low: 7900, high: 8300, unit: 'bytes' } } },
      { route: 'GET /health', requests: 10, recentMs, kept: { heap: { value: 3, low: 2, high: 90, unit: 'bytes' } } }
    ]
  }
}

function demo (args) {
  const child = spawn(process.execPath, [RUN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk) => { stdout += chunk })
  child.stderr.on('data', (chunk) => { stderr += chunk })
  return { child, said: () => stdout, closed: new Promise((resolve) => child.once('close', (code) => resolve({ code, stdout, stderr }))) }
}

function temporaryDirectory (t) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'leakprobe-demo-'))
  t.after(() => fs.rmSync(directory, { recursive: true, force: true }))
  return directory
}

async function eventually (look) {
  for (;;) {
    const found = look()
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

function childrenOf (pid) {
  return fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ').filter(Boolean).map(Number)
}

function isAlive (pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
