'use strict'

const assert = require('node:assert/strict')
const { execFileSync, fork, spawnSync } = require('node:child_process')
const { once } = require('node:events')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const zlib = require('node:zlib')
const { test, before, after } = require('node:test')
const { analyzeHeapSnapshot, diffHeapSnapshots } = require('..')
const { endAfter, until } = require('./helper.js')

const BIN = path.join(__dirname, '..', 'bin.js')
const FIXTURE = path.join(__dirname, 'fixtures', 'heap-with-secrets.js')

let directory
let files

before(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'leakprobe-analysis-'))
  files = [1, 2].map((index) => path.join(directory, `${index}.heapsnapshot`))
  execFileSync(process.execPath, [FIXTURE, ...files], { stdio: ['ignore', 'inherit', 'inherit'] })
})

after(() => fs.rmSync(directory, { recursive: true, force: true }))

function run (...args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [BIN, ...args], { encoding: 'utf8', maxBuffer: 1 << 28 })
  return { status, stdout, stderr }
}

function json (...args) {
  const { status, stdout, stderr } = run(...args, '--json')
  assert.equal(stderr, '')
  assert.equal(status, 0)
  return JSON.parse(stdout)
}

test('diff names what grew between two heap snapshots of one process, each with its kind and code', () => {
  const { schema, growth, snapshots } = json('diff', ...files)

  assert.equal(schema, 'leakprobe.diff/1')
  assert.equal(snapshots.length, 2)
  const find = (kind, word) => growth.find((row) => row.kind === kind && row.retainingPath.join(' ').includes(word))
  const cache = find('collection', 'context cache')
  assert.equal(cache.class, 'Customer')
  assert.equal(cache.more, 2000)
  const listeners = find('listener', '._events')
  assert.equal(listeners.more, 500)
  assert.equal(listeners.function, 'onTick')
  assert.ok(listeners.file.endsWith('heap-with-secrets.js'))
  assert.ok(listeners.line > 1)
  const timers = find('timer', 'Timeout')
  assert.ok(timers.more >= 300, JSON.stringify(timers))
})

test('analyze reads plain and gzipped files alike, and its text names the emitter', () => {
  const [, file] = files
  const packed = path.join(directory, 'packed.heapsnapshot.gz')
  fs.writeFileSync(packed, zlib.gzipSync(fs.readFileSync(file), { level: 1 }))

  assert.deepEqual(json('analyze', packed), json('analyze', file))
  const { stdout } = run('analyze', file)
  assert.match(stdout, /listeners for `tick` on one EventEmitter: onTick/)
  assert.doesNotMatch(stdout, /\u001b/, 'no colour where there is no terminal')
})

test('path names what keeps the objects of a class, and says so where there is none', () => {
  const [rows] = json('path', files[1], '--class', 'Customer')
  assert.equal(rows.kind, 'collection')
  assert.ok(rows.retainingPath.includes('context cache'), rows.retainingPath.join(' → '))

  const { status, stderr } = run('path', files[1], '--class', 'NoSuchClass')
  assert.equal(status, 1)
  assert.match(stderr, /no object of class NoSuchClass/)
})

test('none of 200 secrets is left in a redacted file, in any encoding, and the answers stay', () => {
  const redacted = path.join(directory, 'redacted.heapsnapshot')
  const { file, redacted: told, strings } = json('redact', files[1], redacted)
  assert.equal(file, redacted)
  assert.ok(told > 200 && told < strings, `${told} of ${strings}`)
  const [before, after] = [files[1], redacted].map((file) => fs.readFileSync(file, 'latin1'))

  // Four kinds of text around one word each: see the fixture.
  const secrets = Array.from({ length: 200 }, (_, index) => `s3cr3t${String(index).padStart(3, '0')}x`)
  const planted = secrets.filter((secret) => before.includes(secret))
  assert.equal(planted.length, 200, 'all of them are in the file before')
  for (const secret of secrets) {
    for (const encoding of ['utf8', 'base64', 'hex', 'utf16le', 'base64url']) {
      const text = encoding === 'utf8' ? secret : Buffer.from(secret).toString(encoding === 'utf16le' ? 'latin1' : encoding)
      assert.ok(!after.includes(text), `${secret} as ${encoding}`)
    }
    assert.ok(!after.includes(Buffer.from(secret, 'utf16le').toString('latin1')), `${secret} in UTF-16`)
  }
  const answer = (file) => {
    const { totals, gathering, classes, owners, census: { listeners, timers, promises } } = json('analyze', file)
    // Rows of strings alone may fold otherwise: keys of a dictionary that are alike after the redaction.
    const things = gathering.filter((row) => row.class !== '(string)')
    return { totals: { ...totals, strings: 0 }, things, classes, owners, listeners, timers, promises }
  }
  assert.deepEqual(answer(redacted), answer(files[1]))
})

test('a damaged or missing file is an error with its place, and exit code 1', () => {
  const cut = path.join(directory, 'cut.heapsnapshot')
  fs.writeFileSync(cut, fs.readFileSync(files[0]).subarray(0, 100_000))

  for (const [args, expected] of [
    [['analyze', cut], /cut\.heapsnapshot: at byte \d+: expected .*, found the end/],
    [['diff', files[0], path.join(directory, 'none')], /none: No such file/],
    [['redact', cut, path.join(directory, 'out')], /cut\.heapsnapshot: at byte/]
  ]) {
    const { status, stdout, stderr } = run(...args)
    assert.equal(status, 1)
    assert.equal(stdout, '')
    assert.match(stderr, expected)
  }
  assert.deepEqual(fs.readdirSync(directory).filter((name) => name.includes('out')), [], 'nothing half written is left')
  assert.equal(run('analyze').status, 2)
})

test('the functions say the same as the command line, and can be aborted', async () => {
  assert.deepEqual(await analyzeHeapSnapshot(files[1]), json('analyze', files[1]))
  assert.deepEqual(await diffHeapSnapshots(files, { rows: 3 }), json('diff', ...files, '--rows', '3'))

  const reason = new Error('enough')
  await assert.rejects(analyzeHeapSnapshot(files[0], { signal: AbortSignal.abort(reason) }), reason)
  const controller = new AbortController()
  const running = diffHeapSnapshots([...files, ...files, ...files], { signal: controller.signal })
  controller.abort(reason)
  await assert.rejects(running, reason)
})

test('what is wrong with an argument or a file is a coded error', async () => {
  for (const [call, code] of [
    [() => analyzeHeapSnapshot(7), 'LEAKPROBE_ERR_ARGUMENT'],
    [() => diffHeapSnapshots([files[0]]), 'LEAKPROBE_ERR_ARGUMENT'],
    [() => analyzeHeapSnapshot(files[0], { rows: 0 }), 'LEAKPROBE_ERR_ARGUMENT'],
    [() => analyzeHeapSnapshot(files[0], { signal: {} }), 'LEAKPROBE_ERR_ARGUMENT'],
    [() => analyzeHeapSnapshot(path.join(directory, 'none')), 'LEAKPROBE_ERR_HEAP_SNAPSHOT'],
    [() => analyzeHeapSnapshot(__filename), 'LEAKPROBE_ERR_HEAP_SNAPSHOT']
  ]) {
    await assert.rejects(call, { code })
  }
})

test('a captured heap snapshot is analysed by a process of its own, and the incident holds the answer', async (t) => {
  const app = endAfter(t, fork(path.join(__dirname, 'fixtures', 'analysed-app.js'), [path.join(directory, 'probe')]))
  const [{ incident }] = await once(app, 'message')
  assert.equal(incident.heapSnapshot.state, 'written', JSON.stringify(incident.heapSnapshot))
  const file = path.join(incident.path, 'analysis.json')
  let analysis
  await until(() => {
    analysis = fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')).heapSnapshot : undefined
    return analysis !== undefined
  }, 'the analysis is there', 60_000)
  const mode = fs.statSync(file).mode & 0o777
  app.send('end')
  await once(app, 'close')

  assert.equal(analysis.schema, 'leakprobe.heap-analysis/1')
  assert.equal(analysis.state, undefined, analysis.because)
  assert.equal(analysis.gathering.find((row) => row.class === 'Kept')?.count, 3000)
  assert.equal(mode, 0o600)
})
