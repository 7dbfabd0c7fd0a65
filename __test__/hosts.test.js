'use strict'

// Everywhere Node.js runs code: worker threads, clusters, contexts, --watch, hardened processes. The probe works or says why not,
// and nobody notices it.

const assert = require('node:assert/strict')
const { spawn } = require('node:child_process')
const { once } = require('node:events')
const fs = require('node:fs')
const path = require('node:path')
const { pathToFileURL } = require('node:url')
const { test } = require('node:test')
const { Worker } = require('node:worker_threads')
const { cleanup, endAfter, makeDirectory, startProbe, until } = require('./helper.js')

const ROOT = path.join(__dirname, '..')
const REGISTER = path.join(ROOT, 'register.js')
const HOSTED = path.join(__dirname, 'fixtures', 'hosted.js')
const PERMISSION = process.allowedNodeEnvironmentFlags.has('--permission') ? '--permission' : '--experimental-permission'
const tellsWorkers = typeof Worker.prototype.getHeapStatistics === 'function'
// Node.js 25 and later ask for leave to listen, too.
const ALLOW_NET = process.allowedNodeEnvironmentFlags.has('--allow-net') ? ['--allow-net'] : []
const freezes = process.platform === 'linux' && process.report.getReport().header.glibcVersionRuntime !== undefined

/** Runs a script to its end; `[code, signal]`, what it printed, and its evidence's directory. */
async function run (t, args, { env, cwd = makeDirectory(t) } = {}) {
  const directory = path.join(cwd, 'evidence')
  const child = spawn(process.execPath, args, {
    cwd, env: { ...process.env, NODE_OPTIONS: '', LEAKPROBE_DIRECTORY: directory, LEAKPROBE_PRESET: 'test', ...env }, stdio: ['ignore', 'pipe', 'pipe']
  })
  endAfter(t, child)
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (chunk) => { stdout += chunk })
  child.stderr.on('data', (chunk) => { stderr += chunk })
  const ended = await once(child, 'close')
  return { ended, stdout, stderr, directory }
}

const hardened = [
  ['--frozen-intrinsics', ['--frozen-intrinsics'], /ExperimentalWarning: Frozen/],
  ['--disallow-code-generation-from-strings', ['--disallow-code-generation-from-strings']],
  ['--preserve-symlinks, --enable-source-maps and --trace-uncaught', ['--preserve-symlinks', '--enable-source-maps', '--trace-uncaught']],
  ['--jitless', ['--jitless'], /--expose_wasm/]
]
for (const [what, flags, expected] of hardened) {
  test(`with ${what} requests are counted and a capture works`, { timeout: 120_000 }, async (t) => {
    const { ended, stdout, stderr } = await run(t, [...flags, '--require', REGISTER, HOSTED, '20', 'capture'])

    assert.deepEqual(ended, [0, null], stderr)
    const told = JSON.parse(stdout)
    assert.deepEqual([told.native.state, told.requests], ['native', 20])
    if (freezes) assert.deepEqual([told.incident.shadow, told.incident.heapSnapshot, told.incident.by], ['answered', 'written', 'shadow'], JSON.stringify(told))
    const others = stderr.split('\n').filter((line) => line !== '' && !/--trace-warnings/.test(line) && !expected?.test(line))
    assert.deepEqual(others, [])
  })
}

test('under the permission model with --allow-addons requests are counted and a capture works', { timeout: 120_000 }, async (t) => {
  const { ended, stdout, stderr } = await run(t, [PERMISSION, '--allow-addons', '--allow-fs-read=*', ...ALLOW_NET, '--require', REGISTER, HOSTED, '20', 'capture'])

  assert.deepEqual(ended, [0, null], stderr)
  const told = JSON.parse(stdout)
  assert.deepEqual([told.native.state, told.requests], ['native', 20])
  if (freezes) assert.deepEqual([told.incident.shadow, told.incident.heapSnapshot], ['answered', 'written'], JSON.stringify(told.incident))
})

for (const [what, flags, remedy] of [
  ['the permission model without --allow-addons', [PERMISSION, '--allow-fs-read=*', ...ALLOW_NET], /Start Node\.js with --allow-addons/],
  ['--no-addons', ['--no-addons'], /Start Node\.js without --no-addons/]
]) {
  test(`under ${what} the application runs, and is told what to do`, { timeout: 60_000 }, async (t) => {
    const { ended, stdout, stderr, directory } = await run(t, [...flags, '--require', REGISTER, HOSTED, '20', 'capture'])

    assert.deepEqual(ended, [0, null], stderr)
    const told = JSON.parse(stdout)
    assert.deepEqual([told.native.state, told.requests, told.refused], ['absent', 0, 'LEAKPROBE_ERR_NATIVE'])
    assert.match(stderr, /\[LEAKPROBE_ERR_NATIVE\] LeakprobeWarning/)
    assert.match(told.native.because, remedy)
    assert.ok(!fs.existsSync(directory))
  })
}

test('a worker thread that loads register by its inherited options runs as without it', { timeout: 60_000 }, async (t) => {
  const cwd = makeDirectory(t)
  const app = path.join(cwd, 'app.mjs')
  fs.writeFileSync(app, `
    import { Worker, isMainThread, parentPort } from 'node:worker_threads'
    if (isMainThread) {
      const worker = new Worker(new URL(import.meta.url))
      worker.on('message', (text) => console.log(text)).on('exit', (code) => { process.exitCode = code })
    } else {
      parentPort.postMessage([process.execArgv.length > 0, process[Symbol.for('leakprobe.running')] === undefined].join())
      process.exitCode = 5
    }
  `)

  const { ended, stdout, stderr } = await run(t, ['--import', pathToFileURL(REGISTER).href, app], { cwd })

  assert.deepEqual([ended, stdout, stderr], [[5, null], 'true,true\n', ''])
})

test('worker threads are counted, their memory is told and is nobody\'s native leak', { timeout: 120_000 }, async (t) => {
  const probe = startProbe(t)
  const workers = await Promise.all([1, 2].map(() => worker(t, 'globalThis.kept = Array.from({ length: 300_000 }, (_, i) => ({ i }))')))

  await until(() => probe.stats().workers.running === 2 && (!tellsWorkers || probe.stats().workers.read === 2), 'both are known')
  const { workers: stats } = probe.stats()
  assert.deepEqual([stats.running, stats.started], [2, 2])
  if (tellsWorkers) assert.ok(stats.heapUsed > 2 * 300_000 * 16 && stats.heapTotal >= stats.heapUsed, JSON.stringify(stats))
  const words = tellsWorkers ? /^2 worker threads run, their heaps hold \d+\.\d MB; requests and leaks in them are not watched$/ : /^2 worker threads run, the memory of 2 is not known;/
  await until(() => words.test(probe.report().process.capabilities.workers.because), 'the capability tells it')
  // What they hold is no native memory; where it is not known, native memory is not either.
  await until(() => (probe.stats().process?.privateNative ?? undefined) === undefined || tellsWorkers, 'native memory is told only where workers are')

  await Promise.all(workers.map((one) => one.terminate()))
  await until(() => probe.stats().workers.running === 0, 'both are gone')
  assert.equal(probe.stats().workers.heapTotal, 0)
  await until(() => /^none of 2 worker threads/.test(probe.report().process.capabilities.workers.because), 'the capability tells that')
})

test('workers that come and go leave nothing behind, and stop() nothing on the channel', { timeout: 120_000 }, async (t) => {
  const channel = require('node:diagnostics_channel').channel('worker_threads')
  const probe = startProbe(t)

  for (let i = 0; i < 25; i++) await (await worker(t, '')).terminate()

  await until(() => probe.stats().workers.running === 0, 'all are gone')
  assert.equal(probe.stats().workers.started, 25)
  assert.equal(channel.hasSubscribers, true)
  await probe.stop()
  assert.equal(channel.hasSubscribers, false)
})

test('the processes of a cluster keep apart in one directory, and their exit codes are their own', { timeout: 120_000 }, async (t) => {
  const directory = makeDirectory(t)
  const { ended, stdout, stderr } = await run(t, [path.join(__dirname, 'fixtures', 'clustered.js'), directory, '3'])

  assert.deepEqual(ended, [3, null], stderr)
  const { told, exits, incident } = JSON.parse(stdout)
  assert.deepEqual(exits, [0, 0, 0])
  const directories = [incident, ...told.map((one) => one.directory)]
  assert.equal(new Set(directories).size, 4)
  for (const one of directories) assert.equal(JSON.parse(fs.readFileSync(path.join(one, 'incident.json'), 'utf8')).shadow.state, freezes ? 'answered' : 'refused', one)
  assert.equal(JSON.parse(fs.readFileSync(path.join(directory, 'clustered', 'report.json'), 'utf8')).schema, 'leakprobe.report/1')
  assert.deepEqual(fs.readdirSync(directory, { recursive: true }).filter((name) => path.basename(name).startsWith('.tmp')), [])
})

test('handlers in contexts of node:vm are counted, and a walk sees their objects', { timeout: 120_000 }, async (t) => {
  const vm = require('node:vm')
  const probe = startProbe(t)
  const contexts = [1, 2, 3].map(() => vm.createContext({}))
  const handlers = contexts.map((context) => vm.runInContext('class KeptInContext {}; const kept = []; (response) => { kept.push(new KeptInContext()); response.end("hello") }', context))
  const server = require('node:http').createServer((request, response) => handlers[Number(request.url.at(-1))](response))
  const { listen, request, routeOf } = require('./helper.js')
  const port = await listen(t, server)

  for (let i = 0; i < 30; i++) await request(port, `/context/${i % 3}`)

  await until(() => routeOf(probe, 'GET /context/:id')?.requests === 30, 'they are counted')
  const incident = await probe.capture({ floor: true })
  if (freezes) assert.equal(incident.shadow.state, 'answered', JSON.stringify(incident.shadow))
  if (incident.walk?.state === 'answered') assert.ok(fs.readFileSync(path.join(incident.directory, incident.walk.file), 'utf8').includes('KeptInContext') || incident.walk.liveObjects > 0)
})

test('under --watch each run of the application has a probe, and the watcher has none', { timeout: 120_000 }, async (t) => {
  const cwd = makeDirectory(t)
  const app = path.join(cwd, 'app.js')
  fs.writeFileSync(app, "console.log('probe', process[Symbol.for('leakprobe.running')] !== undefined)\nrequire('node:http').createServer().listen(0)\n")
  const child = endAfter(t, spawn(process.execPath, ['--watch', '--require', REGISTER, app], {
    cwd, env: { ...process.env, NODE_OPTIONS: '', LEAKPROBE_DIRECTORY: path.join(cwd, 'evidence') }, stdio: ['ignore', 'pipe', 'pipe']
  }))
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (chunk) => { stdout += chunk })
  child.stderr.on('data', (chunk) => { stderr += chunk })
  const runs = () => stdout.match(/probe true/g)?.length ?? 0

  await until(() => runs() === 1, 'it runs')
  // A change right after the start may come before the watcher looks, and many at once are one.
  const changing = setInterval(() => fs.appendFileSync(app, '// changed\n'), 2000)
  cleanup(t, () => clearInterval(changing))
  await until(() => runs() >= 2, 'it runs again', 60_000)
  clearInterval(changing)
  const threads = fs.existsSync(`/proc/${child.pid}/task`) ? fs.readdirSync(`/proc/${child.pid}/task`).map((id) => fs.readFileSync(`/proc/${child.pid}/task/${id}/comm`, 'utf8').trim()) : []
  child.kill('SIGTERM')
  await once(child, 'close')

  assert.deepEqual(threads.filter((name) => name.startsWith('leakprobe')), [])
  assert.doesNotMatch(stderr, /leakprobe|Leakprobe/)
})

/** A worker that has run `code`. */
async function worker (t, code) {
  const worker = new Worker(`${code}; require('node:worker_threads').parentPort.on('message', () => {}).postMessage('ready')`, { eval: true })
  cleanup(t, () => worker.terminate())
  await once(worker, 'message')
  return worker
}
