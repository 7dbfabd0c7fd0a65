'use strict'

// Clients of `npm run bench:production`: node clients.js <port> <seed>. Requests come at random times (a Poisson process) at rates that wander, each route's for
// itself, between a third and three times its own.

const http = require('node:http')

const [, , port, seed] = process.argv
const STEP_MS = 50
/** Rates wander so far in about so long, s. */
const WANDERS_S = 300
const RATES = { mails: 50, search: 40, sessions: 15, reports: 8, records: 60, health: 2 }

const agent = new http.Agent({ keepAlive: true, maxSockets: 16 })
const counts = { answered: 0, failed: 0, byRoute: {} }
let state = Number(seed) * 2_654_435_761 + 1

/** A number from 0 up to 1 (xorshift, Marsaglia 2003): a run can be repeated. */
function random () {
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  return (state >>> 0) / 2 ** 32
}

const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())

function poisson (mean) {
  const limit = Math.exp(-mean)
  let count = 0
  for (let product = random(); product > limit; product *= random()) count++
  return count
}

function send (kind) {
  const request = http.get({ port, host: '127.0.0.1', path: `/${kind}/${Math.floor(random() * 20_000)}`, agent }, (response) => {
    response.resume().on('end', () => {
      counts.answered++
      counts.byRoute[kind] = (counts.byRoute[kind] ?? 0) + 1
    })
  })
  request.on('error', () => counts.failed++)
}

const wandering = Object.keys(RATES).map((kind) => ({ kind, log: 0.5 * normal() }))

setInterval(() => {
  const share = STEP_MS / 1000 / WANDERS_S
  for (const one of wandering) {
    // An Ornstein–Uhlenbeck process: it comes back to the route's own rate. The spread is a factor of some 1.7.
    one.log += -one.log * share + 0.55 * Math.sqrt(2 * share) * normal()
    one.log = Math.max(-1.1, Math.min(1.1, one.log))
    for (let left = poisson(RATES[one.kind] * Math.exp(one.log) * STEP_MS / 1000); left > 0; left--) send(one.kind)
  }
}, STEP_MS)

process.on('message', ({ end }) => {
  if (end) process.send({ clients: counts }, () => process.exit(0))
})
process.on('disconnect', () => process.exit(0))
