'use strict'

const assert = require('node:assert/strict')
const http = require('node:http')
const path = require('node:path')
const { Session } = require('node:inspector')
const { test } = require('node:test')
const clock = require('../lib/clock')
const { HeapSamples, fold } = require('../lib/heap-samples')
const { Sites } = require('../lib/sites')
const { listen, request, startProbe, until } = require('./helper')
const { makeSitedApp } = require('./sited-app')

const OPTIONS = { directory: false, floors: 'forced', floorIntervalMs: 200, floorPauseShare: 0.5, warmUpMs: 0 }
const NOT_STARTED = /was not started/

const capability = (probe) => probe.report().process.capabilities.heapSamples

/** A server of which one route leaks in a package; returns a function that sends it some requests. */
async function leakyServer (t) {
  const app = require(path.join(makeSitedApp(t), 'app.js'))
  const port = await listen(t, http.createServer((req, res) => {
    if (req.url === '/leak') for (let i = 0; i < 20; i++) app.cache.put(`key ${i}`)
    res.end(`${Array.from({ length: 100 }, (_, i) => ({ i }))}`)
  }))
  t.after(() => app.cache.clear())
  return () => Promise.all(['/leak', '/fine', '/leak'].map((url) => request(port, url)))
}

/** Another agent's session. */
function agent (t) {
  const session = new Session()
  session.connect()
  t.after(() => session.disconnect())
  return (method, parameters) => {
    let answer
    session.post(method, parameters, (error, result) => { answer = { error, result } })
    return answer
  }
}

for (const [state, without] of [['native', []], ['fallback', ['native-heap-samples']]]) {
  test(`what leaks is sampled once something grows, and names package, file and function: ${state}`, async (t) => {
    const send = await leakyServer(t)
    const probe = startProbe(t, { ...OPTIONS, without })
    const post = agent(t)
    assert.match(post('HeapProfiler.getSamplingProfile').error.message, NOT_STARTED)

    const site = await until(async () => {
      await send()
      return probe.stats().sites.find(({ what, count, stack }) => what === 'heap-sample' && count > 500_000 && stack[0].package === '@acme/cache')
    }, 'the package is found', 60_000)

    assert.deepEqual(site.stack[0], { function: 'put', file: 'node_modules/@acme/cache/cache.js', line: 3, package: '@acme/cache' })
    assert.match(site.stack[1].file, /^__test__\/heap-samples/)
    assert.equal(capability(probe).state, state)
    assert.ok(probe.stats().sites.filter(({ what }) => what === 'heap-sample').length <= 128)
    await probe.stop()
    assert.match(post('HeapProfiler.getSamplingProfile').error.message, NOT_STARTED)
  })

  test(`another agent's profiler is left alone, which is told: ${state}`, async (t) => {
    const send = await leakyServer(t)
    const post = agent(t)
    post('HeapProfiler.startSampling', { samplingInterval: 1 << 20 })
    const probe = startProbe(t, { ...OPTIONS, without })

    await until(async () => {
      await send()
      return capability(probe).state === 'off'
    })

    assert.match(capability(probe).because, /another agent/)
    await probe.stop()
    assert.ok(post('HeapProfiler.stopSampling').result.profile)
  })

  test(`when another agent stops ours it is over, which is told: ${state}`, async (t) => {
    const send = await leakyServer(t)
    const post = agent(t)
    const probe = startProbe(t, { ...OPTIONS, without })
    await until(async () => {
      await send()
      return /one sample about every/.test(capability(probe).because)
    })

    post('HeapProfiler.stopSampling')

    await until(async () => {
      await send()
      return capability(probe).state === 'off'
    })
    assert.match(capability(probe).because, /another agent has stopped/)
  })
}

test('it is stopped after ten minutes, rests, and stops when nothing grows any more', (t) => {
  const { now } = clock
  let later = 0
  clock.now = () => now() + later
  t.after(() => { clock.now = now })
  const post = agent(t)
  const runs = () => post('HeapProfiler.getSamplingProfile').error === null
  const told = []
  const native = { startHeapSamples: () => 'absent' }
  const samples = new HeapSamples({ native, sites: new Sites(() => true), state: (...state) => told.push(state), preset: 'production', addPause () {} })
  t.after(() => samples.stop())

  samples.look()
  assert.equal(runs(), false)
  samples.investigate(true)
  samples.look()
  assert.equal(runs(), true)
  later += 600_000
  samples.look()
  samples.look()
  assert.equal(runs(), false)
  assert.match(told.at(-1)[1], /stopped after 10 minutes/)
  later += 600_000
  samples.look()
  assert.equal(runs(), true)
  samples.investigate(false)
  assert.equal(runs(), false)
})

test('too many samples a second make their interval longer', (t) => {
  const { now } = clock
  let later = 0
  clock.now = () => now() + later
  t.after(() => { clock.now = now })
  const told = []
  const native = { startHeapSamples: () => 'absent' }
  const samples = new HeapSamples({ native, sites: new Sites(() => true), state: (...state) => told.push(state), preset: 'test', addPause () {} })
  t.after(() => samples.stop())
  samples.investigate(true)
  samples.look()
  const kept = []
  for (let i = 0; i < 6000; i++) kept[i % 100] = new Array(10_000).fill(i + 0.5)

  later += 1000
  samples.look()

  const [first, last] = [told[0], told.at(-1)].map(([, because]) => Number(/every (\d+) KiB/.exec(because)[1]))
  assert.ok(last > first, `${first} ${last}`)
  assert.equal(kept.length, 100)
})

test('stacks are folded to their frames outside Node, innermost first', () => {
  let id = 0
  const node = (functionName, url, children = []) => ({ id: ++id, callFrame: { functionName, url, lineNumber: 4, columnNumber: 0 }, children })
  const leaf = node('push', '')
  const other = node('slice', 'node:buffer')
  const head = node('(root)', '', [node('emit', 'node:events', [node('handler', '/app/a.js', [node('map', 'node:internal/x', [node('put', 'file:///app/b.mjs', [leaf, other])])])])])

  const groups = [...fold(head, new Map([[leaf.id, 10], [other.id, 5], [head.id, 100]])).values()]

  assert.deepEqual(groups.map(({ bytes }) => bytes), [15])
  assert.deepEqual(groups[0].frames.map((frame) => [frame.function, frame.file, frame.line]), [['put', 'file:///app/b.mjs', 5], ['handler', '/app/a.js', 5]])
})
