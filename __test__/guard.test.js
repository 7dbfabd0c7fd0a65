'use strict'

// An error inside the probe is told in the capabilities and ends the part; the application never sees it.

const assert = require('node:assert/strict')
const http = require('node:http')
const { test } = require('node:test')
const { createGuard, MOST_ERRORS } = require('../lib/guard.js')
const { arrayBufferBytes, NOT_READ } = require('../lib/readings.js')
const { watchRequests } = require('../lib/requests.js')
const { startTick } = require('../lib/tick.js')
const { cleanup, listen, request, until } = require('./helper.js')

const broken = () => { throw new Error('broken on purpose') }

function recorded () {
  const seen = { capabilities: [], failed: [] }
  const guard = createGuard({ setCapability: (...capability) => seen.capabilities.push(capability), failed: (error) => seen.failed.push(error.message) })
  return { guard, seen }
}

test('requests are answered while their recording fails, and it is switched off', async (t) => {
  const { guard, seen } = recorded()
  let begun = 0
  const hot = { begin: () => { begun++; broken() }, finish: broken }
  const requests = watchRequests({ hot, routes: { idOf: () => 0 }, watched: { ended () {} }, onServer () {}, addCost () {}, guard })
  cleanup(t, () => requests.stop())
  const port = await listen(t, http.createServer((req, res) => res.end('fine')))

  for (let i = 0; i < MOST_ERRORS + 4; i++) assert.equal((await request(port, '/')).body, 'fine')

  assert.equal(begun, MOST_ERRORS)
  assert.deepEqual(seen.failed, ['broken on purpose'])
  const [first, last] = [seen.capabilities[0], seen.capabilities.at(-1)]
  assert.deepEqual(first.slice(0, 2), ['requests', 'fallback'])
  assert.match(first[2], /^an error inside the probe, the last: Error: broken on purpose\n +at broken/)
  assert.deepEqual(last.slice(0, 2), ['requests', 'off'])
  assert.match(last[2], /^16 errors inside the probe/)
})

test('a tick that fails does not end the process, and stops', async () => {
  const { guard, seen } = recorded()
  const readings = { arrayBuffers: broken }

  startTick({ hot: {}, tickMs: 1, readings, guard })
  await until(() => seen.capabilities.length === MOST_ERRORS)

  assert.deepEqual(seen.capabilities.at(-1).slice(0, 2), ['tick', 'off'])
})

test('an error that cannot be told harms nobody', () => {
  const guard = createGuard({ setCapability: broken, failed: broken })

  assert.equal(guard('part', broken, broken)(), undefined)
})

test('a guarded function has its this and its argument, and returns what it returns', () => {
  const { guard } = recorded()
  const receiver = { name: 'socket', call: guard('part', function (argument) { return [this.name, argument] }, () => {}) }

  assert.deepEqual(receiver.call(7), ['socket', 7])
})

test('array buffers that cannot be read count as not read', (t) => {
  assert.ok(arrayBufferBytes() > NOT_READ)
  const file = require.resolve('../lib/readings.js')
  const { memoryUsage } = process
  t.after(() => { process.memoryUsage = memoryUsage })
  delete require.cache[file]
  process.memoryUsage = broken // as without /proc

  assert.equal(new (require(file).Readings)().arrayBuffers(), NOT_READ)
})
