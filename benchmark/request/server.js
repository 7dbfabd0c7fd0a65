'use strict'

// A server under test, in a process of its own: node server.js <server> <variant> <directory>.
// Over IPC it says its port, and answers each question for the CPU time of the app thread.

const { createRequire } = require('node:module')
const path = require('node:path')
const { appThreadCpuNs } = require('./cpu.js')
const { install } = require('./variants.js')

const root = createRequire(path.join(__dirname, '..', '..', 'index.js'))
const SERVERS = { http: startHttp, express5: startExpress, fastify5: startFastify }

const [server, variant, directory] = process.argv.slice(2)
const begin = install(variant, { directory })

SERVERS[server](begin, (port) => process.send({ port }))
process.on('message', () => process.send({ cpuNs: appThreadCpuNs() }))
process.on('disconnect', () => process.exit(0))

// The body is of one length for all ids, so that the load generator can count bytes.
function user (id) {
  return { id, name: 'Ada Lovelace', email: 'ada@example.org', roles: ['reader', 'writer'] }
}

function startHttp (begin, listening) {
  const http = require('node:http')
  const server = http.createServer((req, res) => {
    const known = req.url.startsWith('/users/')
    if (begin !== undefined) begin(req, res, () => known ? '/users/:id' : 'other')
    if (!known) {
      res.writeHead(404).end()
      return
    }
    const body = JSON.stringify(user(req.url.slice('/users/'.length)))
    res.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
    res.end(body)
  })
  server.listen(0, '127.0.0.1', () => listening(server.address().port))
}

function startExpress (begin, listening) {
  const app = root('express5')()
  if (begin !== undefined) {
    app.use((req, res, next) => {
      begin(req, res, () => req.route?.path ?? 'other')
      next()
    })
  }
  app.get('/users/:id', (req, res) => res.json(user(req.params.id)))
  const server = app.listen(0, '127.0.0.1', () => listening(server.address().port))
}

function startFastify (begin, listening) {
  const app = root('fastify5')()
  if (begin !== undefined) {
    app.addHook('onRequest', (request, reply, done) => {
      begin(request.raw, reply.raw, () => request.routeOptions.url ?? 'other')
      done()
    })
  }
  app.get('/users/:id', async (request) => user(request.params.id))
  app.listen({ port: 0, host: '127.0.0.1' }).then(() => listening(app.server.address().port))
}
