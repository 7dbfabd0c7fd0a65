'use strict'

// Which requests are told to be running still, without a server: a made-up addon and made-up connections.

const assert = require('node:assert/strict')
const test = require('node:test')
const clock = require('../lib/clock')
const { Running } = require('../lib/running')
const { kHandle } = require('../lib/symbols')

/** A Running over `open`: pairs of a request's handle and whether its response has begun; `told` gets what it tells. */
function create ({ open = [], jobs = new Map(), old }) {
  const told = []
  const native = { olderRequests: () => old(), stillRunning: (pairs) => told.push([...pairs]) }
  const asked = []
  const requests = {
    visitOpen (visit) {
      for (const [handle, begun] of open) {
        const request = { [kHandle]: handle }
        visit(request, { _httpMessage: { req: request, headersSent: begun } })
      }
    }
  }
  const routes = { idOf: (request) => { asked.push(request[kHandle]); return request[kHandle] + 1000 } }
  return { running: new Running({ native, requests, routes, jobs }), told, asked }
}

test('old requests are told with their routes, the oldest first; what has begun to answer is not', () => {
  const { running, told } = create({ open: [[1, false], [2, true], [3, false], [4, false]], jobs: new Map([[9, 7]]), old: () => [3, 9, 2, 1, 88] })

  running.look()

  assert.deepEqual(told, [[3, 1003, 9, 7, 1, 1001]])
})

test('ten thousand streams do not hide the requests that hang, of which 256 are asked for their route', () => {
  const streams = Array.from({ length: 10_000 }, (_, handle) => [handle, true])
  const hanging = Array.from({ length: 300 }, (_, index) => [20_000 + index, false])
  const { running, told, asked } = create({ open: [...streams, ...hanging], old: () => [...streams, ...hanging].map(([handle]) => handle) })

  running.look()

  assert.equal(told[0].length, 512)
  assert.deepEqual(told[0].slice(0, 2), [20_000, 21_000])
  assert.equal(asked.length, 256)
})

test('it looks once a second, and that there are none any more is told once', (t) => {
  let now = 5000
  t.mock.method(clock, 'now', () => now)
  let handles = [1]
  const { running, told } = create({ open: [[1, false]], old: () => handles })

  for (let tick = 0; tick < 16; tick++) {
    if (tick === 8) handles = []
    running.look()
    now += 250
  }

  assert.deepEqual(told, [[1, 1001], [1, 1001], []])
})
