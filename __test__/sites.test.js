'use strict'

const assert = require('node:assert/strict')
const fs = require('node:fs')
const path = require('node:path')
const { execFile } = require('node:child_process')
const http = require('node:http')
const { EventEmitter } = require('node:events')
const { pathToFileURL } = require('node:url')
const { promisify } = require('node:util')
const { test } = require('node:test')
const { listen, request, startProbe, until } = require('./helper')
const { makeSitedApp, write } = require('./sited-app')

const OPTIONS = { directory: false, tickMs: 10, warmUpMs: 0 }

const sites = (probe, what) => probe.stats().sites.filter((site) => site.what === what)

/** Calls `grow` again and again until a site is found, and returns it. */
function siteOf (probe, what, grow, found = (site) => site.count > 0) {
  return until(async () => {
    await grow()
    return sites(probe, what).find(found)
  }, `a ${what} site is found among ${JSON.stringify(probe.stats().sites)}`)
}

/** Counts the stacks that are taken: for each the limit is raised. */
function countStacks (t) {
  const original = Object.getOwnPropertyDescriptor(Error, 'stackTraceLimit')
  let limit = Error.stackTraceLimit
  let raised = 0
  Object.defineProperty(Error, 'stackTraceLimit', {
    configurable: true,
    get: () => limit,
    set (value) {
      if (value > limit) raised++
      limit = value
    }
  })
  t.after(() => Object.defineProperty(Error, 'stackTraceLimit', original))
  return () => raised
}

test('a leaking listener of a server names file, line, function, event and class, and its count follows', async (t) => {
  const app = require(path.join(makeSitedApp(t), 'app.js'))
  const probe = startProbe(t, OPTIONS)
  const port = await listen(t, http.createServer((req, res) => {
    if (req.url === '/leak') app.subscribe()
    else app.healthy()
    res.end()
  }))

  const site = await siteOf(probe, 'listener', () => Promise.all([request(port, '/leak'), request(port, '/fine')]))
  const [frame, caller] = site.stack

  assert.deepEqual(frame, { function: 'subscribe', file: 'app.js', line: 6 })
  assert.equal(caller.file, '__test__/sites.test.js')
  assert.equal(site.of, 'change of Catalogue')
  const counted = () => sites(probe, 'listener').find(({ stack }) => stack[0].line === 6).count
  const before = counted()
  for (let i = 0; i < 300; i++) app.subscribe()
  await until(() => counted() >= before + 300)
  assert.ok(counted() <= app.catalogue.listenerCount('change'))
  app.catalogue.removeAllListeners('change')
  await until(() => counted() === 0)
})

test('a listener leaked by a package names the package, one added by once() the line of the call', async (t) => {
  const app = require(path.join(makeSitedApp(t), 'app.js'))
  const probe = startProbe(t, OPTIONS)

  const inPackage = await siteOf(probe, 'listener', () => { app.bus.subscribe(() => {}) })
  const once = await siteOf(probe, 'listener', () => { app.subscribeOnce() }, (site) => site.of === 'sold of Catalogue')

  assert.deepEqual(inPackage.stack[0], { function: 'exports.subscribe', file: 'node_modules/leaky-bus/lib/bus.js', line: 4, package: 'leaky-bus' })
  assert.equal(inPackage.of, 'message of EventEmitter')
  assert.deepEqual([once.stack[0].file, once.stack[0].line], ['app.js', 8])
})

test('listeners on an AbortSignal and on process have sites', async (t) => {
  const app = require(path.join(makeSitedApp(t), 'app.js'))
  const probe = startProbe(t, OPTIONS)
  process.setMaxListeners(0)
  t.after(() => {
    process.removeAllListeners('leakprobe-test')
    process.setMaxListeners(10)
  })

  const signal = await siteOf(probe, 'listener', () => { app.abortable() })
  const ofProcess = await siteOf(probe, 'listener', () => { process.on('leakprobe-test', () => {}) }, (site) => / of process$/.test(site.of))

  assert.deepEqual([signal.of, signal.stack[0].function, signal.stack[0].line], ['abort of AbortSignal', 'abortable', 17])
  assert.equal(ofProcess.of, 'leakprobe-test of process')
})

test('one function added again and again is counted each time', async (t) => {
  const app = require(path.join(makeSitedApp(t), 'app.js'))
  const probe = startProbe(t, OPTIONS)
  const listener = () => {}

  await siteOf(probe, 'listener', () => { app.subscribe(listener) })
  const counted = () => sites(probe, 'listener')[0].count
  const before = counted()
  for (let i = 0; i < 100; i++) app.subscribe(listener)

  await until(() => counted() >= before + 100)
  assert.ok(counted() < app.catalogue.listenerCount('change'))
})

test('a leaking timer names file and line, also when every duration is another', async (t) => {
  const app = require(path.join(makeSitedApp(t), 'app.js'))
  const probe = startProbe(t, OPTIONS)
  const made = []
  t.after(() => made.forEach(clearTimeout))
  const port = await listen(t, http.createServer((req, res) => {
    if (req.url === '/leak') made.push(app.timer())
    app.short()
    res.end()
  }))

  const interval = await siteOf(probe, 'timer', () => request(port, '/leak'))
  for (const timer of made.splice(0)) clearInterval(timer)
  const jittered = await siteOf(probe, 'timer', () => { made.push(app.jittered()) }, (site) => site.of === 'setTimeout' && site.count > 5)

  assert.deepEqual(interval.stack[0], { function: 'keep', file: 'app.js', line: 20 })
  assert.equal(interval.of, 'setInterval')
  assert.deepEqual([jittered.stack[0].file, jittered.stack[0].line], ['app.js', 23])
})

test('an ES module has its file\'s name', async (t) => {
  const folder = makeSitedApp(t)
  const { fromModule, use } = await import(pathToFileURL(path.join(folder, 'module.mjs')))
  const probe = startProbe(t, OPTIONS)
  use(new EventEmitter().setMaxListeners(0))

  const site = await siteOf(probe, 'listener', () => { fromModule() })

  assert.deepEqual(site.stack[0], { function: 'fromModule', file: 'module.mjs', line: 6 })
})

test('compiled code with a source map has the file and line of its source', async (t) => {
  const folder = makeSitedApp(t)
  // Line 3 of the compiled file, from column 2, is line 42 of src/shop.ts.
  const map = { version: 3, sources: ['../src/shop.ts'], names: [], mappings: ';;EAyCE' }
  write(folder, 'dist/shop.js', `const shared = new (require('node:events'))().setMaxListeners(0)
exports.subscribe = function () {
  shared.on('change', () => {})
}
//# sourceMappingURL=data:application/json;base64,${Buffer.from(JSON.stringify(map)).toString('base64')}
`)
  write(folder, 'run.js', `
const { start } = require(${JSON.stringify(path.join(__dirname, '..'))})
const { subscribe } = require('./dist/shop.js')
const probe = start({ preset: 'test', directory: false, triggers: false, tickMs: 10, warmUpMs: 0, floors: 'natural' })
const interval = setInterval(() => {
  subscribe()
  const site = probe.stats().sites.find(({ what, count }) => what === 'listener' && count > 0)
  if (site === undefined) return
  clearInterval(interval)
  console.log(JSON.stringify(site.stack[0]))
  probe.stop()
}, 5)
`)

  const { stdout } = await promisify(execFile)(process.execPath, ['--enable-source-maps', path.join(folder, 'run.js')])

  assert.deepEqual([JSON.parse(stdout).file, JSON.parse(stdout).line], ['src/shop.ts', 42])
})

test('what does not grow has no sites, and stacks are taken at most 20 times a second', async (t) => {
  const app = require(path.join(makeSitedApp(t), 'app.js'))
  const probe = startProbe(t, OPTIONS)
  const taken = countStacks(t)
  for (let i = 0; i < 20; i++) app.subscribe()
  let rounds = 0

  await until(() => {
    for (let i = 0; i < 50; i++) app.healthy()
    return ++rounds > 200
  })

  assert.equal(taken(), 0)
  assert.deepEqual(sites(probe, 'listener'), [])
  await until(() => {
    app.subscribe()
    return taken() > 0
  })
  const [before, at] = [taken(), performance.now()]
  for (let i = 0; i < 5000; i++) app.subscribe()
  assert.ok(taken() - before <= 20 * (2 + (performance.now() - at) / 1000), `${taken() - before} stacks`)
})

test('many additions cost few stacks, and the count is still about right', async (t) => {
  const { Sites, StackSampler, STACKS_PER_SECOND } = require('../lib/sites')
  const sampler = new StackSampler()
  const sites = new Sites(() => true)
  let stacks = 0
  let stoodFor = 0

  for (let second = 0; second < 50; second++) {
    for (let i = 0; i < 1000; i++) {
      const weight = sampler.turn()
      if (weight > 0) stacks++
      stoodFor += weight
    }
    sampler.second()
  }

  assert.ok(stacks <= 50 * STACKS_PER_SECOND && stacks >= 50 * STACKS_PER_SECOND / 2, `${stacks} stacks`)
  assert.ok(stoodFor > 49_000 && stoodFor <= 50_000, `${stoodFor} of 50000`)
  const frame = (line) => [{ file: '/a.js', line, column: 1 }]
  const ids = Array.from({ length: 100 }, (_, line) => sites.idOf('timer', frame(line)))
  assert.equal(ids.filter((id) => id !== undefined).length, 64)
  assert.equal(sites.idOf('timer', frame(3)), ids[3])
  assert.notEqual(sites.idOf('listener', frame(3)), ids[3])
})

test('the application\'s prepareStackTrace is not called and stays, and its stacks look as before', async (t) => {
  const app = require(path.join(makeSitedApp(t), 'app.js'))
  const probe = startProbe(t, OPTIONS)
  const { stackTraceLimit } = Error
  let called = 0
  const own = () => { called++; return 'own' }
  Error.prepareStackTrace = own
  t.after(() => { delete Error.prepareStackTrace })

  await siteOf(probe, 'listener', () => { app.subscribe() })

  assert.equal(called, 0)
  assert.equal(Error.prepareStackTrace, own)
  assert.equal(Error.stackTraceLimit, stackTraceLimit)
  assert.equal(new Error('x').stack, 'own')
})

test('emitters that throw from every property cost the application nothing', async (t) => {
  const app = require(path.join(makeSitedApp(t), 'app.js'))
  const probe = startProbe(t, OPTIONS)
  await siteOf(probe, 'listener', () => { app.subscribe() })
  Object.defineProperty(app.catalogue, 'constructor', { get () { throw new Error('no') } })

  assert.equal(app.catalogue.on('other', () => {}), app.catalogue)
  for (let i = 0; i < 20; i++) app.catalogue.on('other', () => {})

  assert.equal(app.catalogue.listenerCount('other'), 21)
})

test('without the parts there are no sites, and stop() ends all of it', async (t) => {
  const app = require(path.join(makeSitedApp(t), 'app.js'))
  const without = startProbe(t, { ...OPTIONS, without: ['listener-sites', 'timer-sites', 'heap-samples'] })
  const made = []
  t.after(() => made.forEach(clearTimeout))
  let rounds = 0
  const grow = () => {
    app.subscribe()
    made.push(app.timer())
    return ++rounds > 300
  }
  await until(grow)
  const { capabilities } = without.report().process
  assert.deepEqual(without.stats().sites, [])
  assert.deepEqual(['listenerSites', 'timerSites', 'heapSamples'].map((name) => capabilities[name].state), ['off', 'off', 'off'])
  await without.stop()

  const probe = startProbe(t, OPTIONS)
  assert.equal(probe.report().process.capabilities.listenerSites.state, 'native')
  const taken = countStacks(t)
  await until(() => {
    grow()
    return taken() > 0
  })
  await probe.stop()
  const before = taken()
  for (let i = 0; i < 100; i++) grow()
  assert.equal(taken(), before)
})

test('listeners and timers that were learnt of are not kept alive', async (t) => {
  const folder = makeSitedApp(t)
  write(folder, 'run.js', `
const { start } = require(${JSON.stringify(path.join(__dirname, '..'))})
const app = require('./app.js')
const probe = start({ preset: 'test', directory: false, triggers: false, tickMs: 10, warmUpMs: 0, floors: 'natural' })
const refs = []
const timers = []
function grow () {
  const listener = () => {}
  refs.push(new WeakRef(listener))
  app.subscribe(listener)
  const timer = app.timer()
  refs.push(new WeakRef(timer))
  timers.push(timer)
}
const interval = setInterval(() => {
  grow()
  if (new Set(probe.stats().sites.filter(({ count }) => count > 0).map(({ what }) => what)).size < 2) return
  clearInterval(interval)
  app.catalogue.removeAllListeners()
  timers.splice(0).forEach(clearInterval)
  setTimeout(() => {
    gc()
    console.log(refs.filter((ref) => ref.deref() !== undefined).length)
    probe.stop()
  }, 50)
}, 5)
`)

  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', path.join(folder, 'run.js')])

  // The last ones made may still be on the stack or in a register.
  assert.ok(Number(stdout) <= 4, stdout)
})

test('files of the application are told from its own package.json on', () => {
  const { describeFrame } = require('../lib/frames')
  assert.ok(fs.existsSync(path.join(__dirname, '..', 'package.json')))
  const frame = (file) => describeFrame({ file, line: 7, column: 1, function: 'f' })

  assert.deepEqual(frame(__filename), { function: 'f', file: '__test__/sites.test.js', line: 7, package: undefined })
  assert.equal(frame('/nowhere/node_modules/a/node_modules/@b/c/d.js').package, '@b/c')
  assert.equal(frame('/x/node_modules/.pnpm/a@1/node_modules/a/i.js').package, 'a')
  assert.equal(frame('webpack://shop/./src/x.ts').file, 'webpack://shop/./src/x.ts')
})
