'use strict'

// Clients of the stress server: node clients.js <port>. Keep-alive requests on many connections, and connections that the
// server closes, whose end has to arrive at once.

const http = require('node:http')
const net = require('node:net')

const port = Number(process.argv[2])
const CONNECTIONS = 24
const PATHS = ['/small', '/echo', '/gzip', '/hash', '/file', '/dns']
/** A request without an answer after this long is stuck, ms. */
const STUCK_MS = 15_000
/** The end of a connection may take this long, ms: more than any pause. */
const END_MS = 3000

const counts = { answered: 0, failed: 0, stuck: 0, closed: 0, leaked: 0, slowestMs: 0, errors: [] }
const agent = new http.Agent({ keepAlive: true, maxSockets: CONNECTIONS })
let going = true
let open = 0

function send (number) {
  if (!going) return
  open++
  const path = PATHS[number % PATHS.length]
  const began = performance.now()
  const body = path === '/echo' ? `echo ${number}` : undefined
  const request = http.request({ port, host: '127.0.0.1', path, agent, method: body ? 'POST' : 'GET' }, (response) => {
    let size = 0
    response.on('data', (chunk) => { size += chunk.length })
    response.on('close', () => {
      clearTimeout(stuck)
      if (response.complete && response.statusCode === 200 && (body === undefined || size === body.length)) counts.answered++
      else failed(new Error(`${path}: ${response.statusCode}, complete: ${response.complete}`))
      counts.slowestMs = Math.max(counts.slowestMs, performance.now() - began)
      next(number)
    })
  })
  const stuck = setTimeout(() => {
    counts.stuck++
    request.destroy()
  }, STUCK_MS)
  request.on('error', (error) => {
    if (request.res) return
    clearTimeout(stuck)
    failed(error)
    next(number)
  })
  request.end(body)
}

function next (number) {
  open--
  setTimeout(send, 2, number + 1)
}

// The server answers and closes: the end must come, or a shadow still holds the connection.
function closing () {
  if (!going) return
  open++
  const socket = net.connect(port, '127.0.0.1', () => socket.write('GET /close HTTP/1.1\r\nhost: stress\r\n\r\n'))
  let answer = ''
  let timer
  socket.on('data', (chunk) => {
    answer += chunk
    timer ??= setTimeout(() => {
      counts.leaked++
      socket.destroy()
    }, END_MS)
  })
  socket.on('error', failed)
  socket.on('close', () => {
    clearTimeout(timer)
    open--
    if (answer.endsWith('closed') || answer.includes('\r\nclosed\r\n')) counts.closed++
    else failed(new Error(`a connection ended with ${JSON.stringify(answer)}`))
    setTimeout(closing, 5)
  })
}

function failed (error) {
  counts.failed++
  if (counts.errors.length < 20) counts.errors.push(`${error.code ?? error.name}: ${error.message}`)
}

for (let i = 0; i < CONNECTIONS; i++) send(i)
for (let i = 0; i < 3; i++) closing()

process.on('message', ({ end }) => {
  if (!end) return
  going = false
  const waiting = setInterval(() => {
    if (open > 0) return
    clearInterval(waiting)
    agent.destroy()
    process.send(counts, () => process.exit(0))
  }, 10)
})
process.on('disconnect', () => process.exit(0))
