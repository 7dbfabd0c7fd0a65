'use strict'

// Clients of the soak's server: node clients.js <port>. A mixed load that a small machine carries beside other work.

const http = require('node:http')

const port = Number(process.argv[2])
const CONNECTIONS = 8
const GAP_MS = 10
const KINDS = ['plain', 'cached', 'packed', 'timed', 'posted', 'streamed', 'absent', 'plain', 'aborted']
const STUCK_MS = 60_000

const agent = new http.Agent({ keepAlive: true, maxSockets: CONNECTIONS })
const counts = { answered: 0, aborted: 0, failed: 0, errors: [] }
let going = true
let open = 0

function send (number) {
  if (!going) return
  open++
  const kind = KINDS[number % KINDS.length]
  const body = kind === 'posted' ? 'x'.repeat(number % 5000) : undefined
  const request = http.request({ port, host: '127.0.0.1', path: `/${kind}/${number % 10_000}`, agent: kind === 'aborted' ? false : agent, method: body === undefined ? 'GET' : 'POST', timeout: STUCK_MS })
  request.on('response', (response) => response.resume().on('close', () => {
    if (response.complete) counts.answered++
    else failed(new Error(`${kind}: the answer is not complete`))
    next(number)
  }))
  request.on('timeout', () => request.destroy(new Error('no answer')))
  request.on('error', (error) => {
    if (kind === 'aborted') counts.aborted++
    else failed(error)
    if (!request.res) next(number)
  })
  request.end(body)
  if (kind === 'aborted') setTimeout(() => request.destroy(), 5)
}

function failed (error) {
  counts.failed++
  if (counts.errors.length < 20) counts.errors.push(`${error.code ?? error.name}: ${error.message}`)
}

function next (number) {
  open--
  setTimeout(send, GAP_MS, number + CONNECTIONS)
}

for (let i = 0; i < CONNECTIONS; i++) send(i)

process.on('message', ({ end }) => {
  if (!end) return
  going = false
  const waiting = setInterval(() => {
    if (open > 0) return
    clearInterval(waiting)
    agent.destroy()
    process.send({ clients: counts }, () => process.exit(0))
  }, 10)
})
process.on('disconnect', () => process.exit(0))
