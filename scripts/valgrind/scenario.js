'use strict'

// A probe's life in short: node scenario.js <directory>. Requests, jobs, routes, every reading, a capture, a report, the end; twice.

const http = require('node:http')
const { setTimeout: wait } = require('node:timers/promises')
const { analyzeHeapSnapshot, start } = require('../../index.js')

const [, , directory] = process.argv

async function life (number) {
  const probe = start({ directory, service: `life-${number}`, preset: 'test', floors: 'natural', tickMs: 50, triggers: [{ name: 'slow', when: { type: 'latency', aboveMs: 1, minRequests: 5 }, forMs: 0, warmUpMs: 0 }], analyzeHeapSnapshots: false })
  const server = http.createServer((request, response) => response.end('hello')).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  for (let i = 0; i < 60; i++) await ask(server.address().port, `/things/${i}`)
  for (let i = 0; i < 10; i++) await probe.track(`job:${i}`, async () => i)
  const deadline = Date.now() + 60_000
  while ((probe.stats().routes[0]?.requests ?? 0) < 60 && Date.now() < deadline) await wait(50)
  const { shadow, heapSnapshot } = await probe.capture({ floor: true })
  const report = probe.report()
  await probe.stop()
  await new Promise((resolve) => server.close(resolve))
  console.log(`life ${number}: ${report.routes.length} routes, shadow ${shadow.state}${shadow.because ? ` (${shadow.because})` : ''}, heap snapshot ${heapSnapshot.state}`)
}

function ask (port, path) {
  return new Promise((resolve, reject) => {
    http.get({ port, host: '127.0.0.1', path, agent: false }, (response) => response.resume().once('end', resolve)).once('error', reject)
  })
}

async function main () {
  await life(1)
  await life(2)
  await analyzeHeapSnapshot(__filename).catch((error) => console.log(`a file that is no heap snapshot: ${error.code}`))
}

main()
