'use strict'

// The demo's clients, in a process of their own: node load.js <port> <seconds at most> <seed> [share of the
// requests, 1]. Requests come at a rate that does not
// depend on how fast the server answers, and the mix of routes changes all the time, as real traffic does.

const http = require('node:http')

const MIX_MS = 700
const TURN_MS = 20
const MAX_OPEN = 60

// Requests per second of each route on average, and what to ask.
const ROUTES = [
  { perSecond: 24, method: 'GET', path: (n) => `/mails/${n % 40}?revision=${n}` },
  { perSecond: 16, method: 'POST', path: (n) => `/subscriptions/${n}` },
  { perSecond: 14, method: 'GET', path: (n) => `/reports/${n}` },
  { perSecond: 20, method: 'GET', path: () => '/health' },
  { perSecond: 18, method: 'GET', path: () => '/customers' },
  { perSecond: 14, method: 'GET', path: (n) => `/invoices/${n}` },
  { perSecond: 10, method: 'GET', path: (n) => `/exports/${1 + n % 28}` },
  { perSecond: 30, method: 'GET', path: (n) => `/logos/${n}` }
]
const BUSY = [0.2, 0.6, 1, 1.4, 1.8] // mean 1

const [port, seconds, seed, share = 1] = process.argv.slice(2).map(Number)
const agent = new http.Agent({ keepAlive: true, maxSockets: MAX_OPEN })
const random = randomNumbers(seed)
const counts = { sent: 0, answered: 0, failed: 0, skipped: 0, sentAgain: 0, errors: {} }
const state = ROUTES.map((route) => ({ ...route, due: 0, asked: 0, busy: 1 }))
const started = Date.now()
let last = started
let mixed = 0
let open = 0
let ended = false

const turn = setInterval(() => {
  const now = Date.now()
  if (now - started >= seconds * 1000) return end()
  if (now - mixed >= MIX_MS) mix(now)
  for (const route of state) {
    route.due += route.perSecond * route.busy * share * (now - last) / 1000
    for (; route.due >= 1; route.due--) send(route)
  }
  last = now
}, TURN_MS)

function mix (now) {
  mixed = now
  for (const route of state) route.busy = BUSY[Math.floor(random() * BUSY.length)]
}

function send (route) {
  if (open >= MAX_OPEN) {
    counts.skipped++
    return
  }
  open++
  counts.sent++
  ask(route.method, route.path(route.asked++), agent)
}

function ask (method, path, agent) {
  const request = http.request({ agent, host: '127.0.0.1', port, method, path }, (response) => {
    response.resume()
    response.once('close', () => {
      if (response.complete && response.statusCode < 400) counts.answered++
      else fail(response.complete ? `status ${response.statusCode}` : 'cut short')
      open--
    })
  })
  request.once('error', (error) => {
    if (request.res) return // its response closes, and is counted there
    // A server may close an idle connection in the moment in which a request sets out on it. Node's documents say: ask again.
    if (error.code === 'ECONNRESET' && request.reusedSocket) {
      counts.sentAgain++
      ask(method, path, false)
      return
    }
    fail(error.code)
    open--
  })
  request.end()
}

function fail (why) {
  counts.failed++
  counts.errors[why] = (counts.errors[why] ?? 0) + 1
}

function end () {
  if (ended) return
  ended = true
  clearInterval(turn)
  const close = () => {
    agent.destroy()
    process.send?.(counts, () => process.exit(0))
    if (!process.send) console.log(counts)
  }
  const patience = Date.now() + 10_000
  const drain = setInterval(() => {
    if (open > 0 && Date.now() < patience) return
    clearInterval(drain)
    close()
  }, TURN_MS)
}

process.on('message', end)
process.on('disconnect', () => process.exit(0))

// The same numbers for the same seed: a linear congruential generator with the constants of Numerical Recipes.
function randomNumbers (seed) {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}
