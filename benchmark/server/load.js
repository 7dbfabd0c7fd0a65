'use strict'

// Load, from a process of its own: `{ ms, perSecond, path }` from the parent is answered by what that time saw. Without `perSecond` each
// of 16 connections asks again as soon as it was answered; with it requests begin on schedule, whatever the answers do.

const http = require('node:http')
const { performance, createHistogram } = require('node:perf_hooks')

const CONNECTIONS = 16
const [port] = process.argv.slice(2)
const agent = new http.Agent({ keepAlive: true, maxSockets: CONNECTIONS })
let sequence = 0

function request (path) {
  const target = path !== undefined ? `${path}/${sequence}` : sequence % 3 === 0 ? `/mails/${sequence}` : `/other${sequence % 47}/${sequence}`
  sequence++
  return new Promise((resolve, reject) => {
    http.get({ host: '127.0.0.1', port, path: target, agent }, (response) => {
      response.resume().on('end', resolve).on('error', reject)
    }).on('error', reject)
  })
}

async function closedLoop (ms) {
  const began = performance.now()
  let requests = 0
  await Promise.all(Array.from({ length: CONNECTIONS }, async () => {
    while (performance.now() - began < ms) {
      await request()
      requests++
    }
  }))
  return { requests, perSecond: requests / ((performance.now() - began) / 1000) }
}

async function onSchedule (ms, perSecond, path) {
  const histogram = createHistogram()
  const began = performance.now()
  const waiting = []
  for (let index = 0; index < ms / 1000 * perSecond; index++) {
    const due = began + index * 1000 / perSecond
    const left = due - performance.now()
    if (left > 1) await new Promise((resolve) => setTimeout(resolve, left))
    // From when it was due: a request that could not begin in time has waited as well.
    waiting.push(request(path).then(() => histogram.record(Math.max(1, Math.round((performance.now() - due) * 1000)))))
  }
  await Promise.all(waiting)
  return { requests: histogram.count, p50Ms: histogram.percentile(50) / 1000, p99Ms: histogram.percentile(99) / 1000 }
}

process.on('message', ({ ms, perSecond, path }) => {
  const run = perSecond === undefined ? closedLoop(ms) : onSchedule(ms, perSecond, path)
  run.then((result) => process.send(result), (error) => process.send({ error: error.message }))
})
process.on('disconnect', () => process.exit())
process.send('ready')
