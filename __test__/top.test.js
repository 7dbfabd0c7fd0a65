'use strict'

const assert = require('node:assert/strict')
const { spawn, spawnSync } = require('node:child_process')
const fs = require('node:fs')
const http = require('node:http')
const path = require('node:path')
const { test } = require('node:test')
const { History, view } = require('../lib/top/view.js')
const { keys } = require('../lib/top/screen.js')
const { servedAt } = require('../lib/top/process.js')
const { sparkline, width } = require('../lib/top/text.js')
const { endAfter, listen, makeDirectory } = require('./helper.js')

const BIN = path.join(__dirname, '..', 'bin.js')
const HAS_SCRIPT = spawnSync('script', ['--version']).status === 0

const estimate = (value, unit = 'bytes') => ({ value, low: value * 0.9, high: value * 1.1, unit })
const latency = (p95) => ({ count: 20, p50: p95 / 2, p95, p99: p95, max: p95, mean: p95 / 2 })
const route = (name, requests, p95, kept) => ({ route: name, requests, aborted: 0, upgraded: 0, failed: 0, durationMs: latency(p95), recentMs: latency(p95), threadMs: 1, overlap: 1, heapDelta: 0, allocated: 0, externalDelta: 0, kept })

function report ({ uptimeMs = 60_000, requests = 100 } = {}) {
  const leak = {
    id: '1', route: 'GET /mails/:customer', routes: ['GET /mails/:customer'], kind: 'collection', resource: 'heap', confidence: 0.99, since: '2026-01-01T00:00:00.000Z',
    perRequest: estimate(41_800), growth: { perHour: 1e9, total: 1e6, unit: 'bytes' }, timeToLimitMs: 3_900_000, evidence: []
  }
  const timers = { ...leak, id: '2', route: 'GET /reports/:id', routes: ['GET /reports/:id'], kind: 'timer', evidence: [{ by: 'timer-sites', of: 'timers', perRequest: estimate(1, 'timers') }] }
  return {
    schema: 'leakprobe.report/1', process: { pid: 1, startedAt: '', uptimeMs, node: 'v20.0.0', service: 'mail', capabilities: {} }, verdict: 'leaking', leaks: [leak, timers], slowdowns: [],
    hypotheses: [{ name: 'cpu', state: 'ruled out', because: '', numbers: {} }, { name: 'js-heap-leak', state: 'supported', because: '', numbers: {} }],
    routes: [route('GET /health', 900, 0.5, {}), route('GET /mails/:customer', requests, 140, {}), route('GET /reports/:id', 50, 2), route('GET /\x1b[2J\u202e漢字/' + 'x'.repeat(80), 5, 900)],
    cost: { bytes: 500_000, freezes: 0, pauseMs: { max: 1, total: 2 }, dropped: {} }
  }
}

const LOOK = { columns: 120, color: false, sort: 'k', keys: false }

test('the leaky routes come first, with what they keep and how many requests they had a second', () => {
  const history = new History()
  history.add(report())
  history.add(report({ uptimeMs: 62_000, requests: 150 }))

  const lines = view({ report: report({ uptimeMs: 62_000, requests: 150 }), from: 'here' }, history, LOOK)

  assert.match(lines[1], /^▲ LEAKING {2}GET \/mails\/:customer keeps 41\.8 kB \(37\.6–46\.0\) per request; 1 more leak; heap limit in 65\.0 min$/)
  assert.equal(lines[3], 'supported: js-heap-leak · 1 ruled out · 0 without enough data')
  assert.match(lines[6], /^▲ GET \/mails\/:customer {2,}150 {2}25\.0 {2}70\.0 ms +140 ms +██ +41\.8 kB \(37\.6–46\.0\)$/)
  assert.match(lines[7], /^▲ GET \/reports\/:id .*1\.00 timers \(0\.90–1\.10\)$/)
  assert.match(lines[8], /^ {2}GET \/health .*·$/)
})

test('no line is wider than the terminal, whatever it is wide, and no name commands it', () => {
  const history = new History()
  history.add(report())
  for (let columns = 20; columns <= 200; columns++) {
    for (const line of view({ report: report(), from: 'here', silence: 'x'.repeat(300) }, history, { ...LOOK, columns, rows: 24, keys: true })) {
      assert.ok(width(line) <= columns, `${columns}: ${line}`)
      assert.doesNotMatch(line, /[\x1b\u202e]/)
    }
  }
})

test('what does not fit is reached by scrolling, and each key sorts', () => {
  const history = new History()
  const seen = { report: report(), from: 'here' }
  const names = (look) => view(seen, history, { ...LOOK, rows: 9, ...look }).slice(6).map((line) => line.slice(2, 14).trim())
  assert.deepEqual(names({}), ['GET /mails/:', 'GET /reports', 'GET /health'])
  assert.deepEqual(names({ top: 1 }), ['GET /reports', 'GET /health', 'GET /\ufffd[2J\ufffd漢字'])
  assert.deepEqual(names({ top: 50 }), names({ top: 1 }))
  assert.equal(names({ sort: 'r' })[0], 'GET /health')
  assert.equal(names({ sort: 'l' })[0].slice(0, 9), 'GET /\ufffd[2J')
  assert.deepEqual(keys('n\x1b[Bq'), ['n', '\x1b[B', 'q'])
  assert.equal(sparkline([0, null, 4, 8], 3), ' ▅█')
})

test('into a pipe it prints once', (t) => {
  const directory = serviceIn(t)
  for (const place of [directory, path.join(directory, 'mail')]) {
    const { status, stdout, stderr } = spawnSync(process.execPath, [BIN, 'top', place], { encoding: 'utf8' })
    assert.equal(stderr, '')
    assert.equal(status, 0)
    assert.match(stdout, /▲ GET \/mails\/:customer/)
    assert.doesNotMatch(stdout, /\x1b/)
  }
})

test('what is not there and what is wrong are said', (t) => {
  const directory = serviceIn(t)
  const run = (...args) => spawnSync(process.execPath, [BIN, 'top', ...args], { encoding: 'utf8' })
  fs.mkdirSync(path.join(directory, 'other'))
  fs.writeFileSync(path.join(directory, 'other', 'report.json'), '{"schema":"leakprobe.report/1"')
  const told = [
    [[], 2, /top takes one directory or process id, received 0/], [['a', '--fast'], 2, /unknown option --fast/],
    [[path.join(directory, 'none')], 1, /there is no such directory/], [['4194305'], 1, /there is no process 4194305/],
    [[directory], 1, /several services are kept there; name one of /], [[path.join(directory, 'other')], 1, /report\.json: /]
  ]
  for (const [args, code, expected] of told) {
    const { status, stderr } = run(...args)
    assert.match(stderr, expected)
    assert.equal(status, code)
  }
  assert.match(run('--help').stdout, /^usage: leakprobe top DIR\|PID/)
})

test('a process that serves is asked, and its directory is read when it does not answer', async (t) => {
  const directory = serviceIn(t)
  const answers = { '/api/report': report(), '/api/stats': { heap: { used: 2e8, limit: 4e9 }, process: { rss: 3e8 }, gc: {}, inFlight: { count: 7 } }, '/api/series?minutes=2': { process: { loopStallMs: [0, 3200], cpuShare: [0.5] } } }
  const server = http.createServer((request, response) => {
    assert.equal(request.headers.authorization, 'Bearer secret')
    response.end(JSON.stringify(answers[request.url]))
  })
  const port = await listen(t, server)
  const serving = report()
  serving.process.capabilities.server = { state: 'native', because: `http://127.0.0.1:${port}` }
  fs.writeFileSync(path.join(directory, 'mail', 'report.json'), JSON.stringify(serving))
  const env = { ...process.env, LEAKPROBE_SERVE_TOKEN: 'secret' }

  const served = await printed(spawn(process.execPath, [BIN, 'top', directory], { env }))
  await new Promise((resolve) => server.close(resolve))
  const kept = await printed(spawn(process.execPath, [BIN, 'top', directory], { env }))

  assert.match(served, new RegExp(`up 60\\.0 s · http://127\\.0\\.0\\.1:${port}`))
  assert.match(served, /heap 200 MB of 4\.00 GB · resident 300 MB · cpu 50\.0 % · EVENT LOOP STANDS STILL FOR 3\.20 s · 7 in flight/)
  assert.match(kept, /· report\.json, \d+ s old/)
})

test('the address of another machine is not asked', () => {
  const at = (because, state = 'native') => servedAt({ process: { capabilities: { server: { state, because } } } })
  assert.equal(at('http://127.0.0.1:9464'), 'http://127.0.0.1:9464')
  assert.equal(at('http://[::1]:9464'), 'http://[::1]:9464')
  for (const because of ['http://203.0.113.7:80', 'http://127.0.0.1.example:80', 'file:///etc/passwd', undefined]) assert.equal(at(because), undefined)
  assert.equal(at('http://127.0.0.1:9464', 'off'), undefined)
})

test('in a terminal it draws on the other screen, obeys keys, and gives the terminal back', { skip: HAS_SCRIPT ? false : 'script(1), which makes a terminal, is not installed' }, async (t) => {
  const directory = serviceIn(t)
  for (const [key, code] of [['q', 0], ['\x03', 130]]) {
    const command = `stty rows 30 cols 110; before=$(stty -g); '${process.execPath}' '${BIN}' top '${directory}'; echo "code $?"; test "$before" = "$(stty -g)" && echo restored`
    const child = endAfter(t, spawn('script', ['-qec', command, '/dev/null'], { env: { ...process.env, TERM: 'xterm', SHELL: '/bin/sh' } }))
    let said = ''
    let pressed = 0
    child.stdout.on('data', (data) => {
      said += data
      if (pressed === 0 && said.includes('[k kept]')) {
        pressed = 1
        child.stdin.write('n')
      }
      if (pressed === 1 && said.includes('[n name]')) {
        pressed = 2
        child.stdin.write(key)
      }
    })
    await new Promise((resolve) => child.once('close', resolve))
    assert.ok(said.startsWith('\x1b[?1049h\x1b[?25l'), JSON.stringify(said.slice(0, 80)))
    assert.ok(said.includes('\x1b[1;31m▲ GET /mails/:customer'))
    const after = said.slice(said.lastIndexOf('\x1b[?25h\x1b[?1049l'))
    assert.match(after, new RegExp(`code ${code}\\r\\nrestored`))
  }
})

function serviceIn (t) {
  const directory = makeDirectory(t)
  fs.mkdirSync(path.join(directory, 'mail'))
  fs.writeFileSync(path.join(directory, 'mail', 'report.json'), JSON.stringify(report()))
  return directory
}

function printed (child) {
  return new Promise((resolve, reject) => {
    let said = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => { said += data })
    child.once('error', reject)
    child.once('close', () => resolve(said))
  })
}
