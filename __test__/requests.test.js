'use strict'

const assert = require('node:assert/strict')
const http = require('node:http')
const net = require('node:net')
const { once } = require('node:events')
const { test } = require('node:test')
const { WebSocket, WebSocketServer } = require('ws')
const { startProbe, listen, request, until, counts, countsAre, routeOf } = require('./helper')

const inFlight = (probe) => probe.stats().inFlight.count

// A raw connection: sends the text, resolves with all that came back once the other side has ended.
async function talk (port, text) {
  const socket = net.connect(port, '127.0.0.1')
  let answer = ''
  socket.on('data', (chunk) => { answer += chunk })
  socket.write(text)
  await once(socket, 'close')
  return answer
}

test('requests over kept-alive and fresh connections are counted once each, with their status', async (t) => {
  const probe = startProbe(t)
  const port = await listen(t, http.createServer((req, res) => {
    res.statusCode = req.url === '/bad' ? 500 : 200
    res.end('ok')
  }))
  const agent = new http.Agent({ keepAlive: true, maxSockets: 4 })
  t.after(() => agent.destroy())

  const kept = Array.from({ length: 200 }, () => request(port, '/kept', { agent }))
  const fresh = Array.from({ length: 20 }, () => request(port, '/fresh', { agent: false }))
  const bad = Array.from({ length: 5 }, () => request(port, '/bad', { method: 'POST', body: 'x', agent }))
  await Promise.all([...kept, ...fresh, ...bad])

  await countsAre(probe, { 'GET /kept': 200, 'GET /fresh': 20, 'POST /bad': 5 })
  assert.equal(routeOf(probe, 'POST /bad').failed, 5)
  assert.equal(routeOf(probe, 'GET /kept').aborted, 0)
  await until(() => inFlight(probe) === 0)
})

test('pipelined requests are counted once each', async (t) => {
  const probe = startProbe(t)
  const port = await listen(t, http.createServer((req, res) => setImmediate(() => res.end('ok'))))

  const answer = await talk(port, 'GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\nGET /c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')

  assert.equal(answer.match(/200 OK/g).length, 3)
  await countsAre(probe, { 'GET /a': 1, 'GET /b': 1, 'GET /c': 1 })
  await until(() => inFlight(probe) === 0)
})

test('pipelined requests whose connection closes are all aborted', async (t) => {
  const probe = startProbe(t)
  const port = await listen(t, http.createServer((req, res) => { if (req.url === '/a') res.end('ok') }))
  const socket = net.connect(port, '127.0.0.1')
  socket.write('GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\nGET /c HTTP/1.1\r\nHost: x\r\n\r\n')
  await until(() => inFlight(probe) === 2)

  socket.destroy()

  await countsAre(probe, { 'GET /a': 1, 'GET /b': 1, 'GET /c': 1 })
  assert.deepEqual(['a', 'b', 'c'].map((name) => routeOf(probe, `GET /${name}`).aborted), [0, 1, 1])
})

test('a request whose client goes away is aborted, once, under its route', async (t) => {
  const probe = startProbe(t)
  const express = require('express5')
  const app = express()
  const router = express.Router()
  router.get('/wait/:id', (req, res) => { res.write('begun') })
  app.use('/slow/:x', router)
  const port = await listen(t, http.createServer(app))

  for (let i = 0; i < 10; i++) {
    const outgoing = http.get({ port, host: '127.0.0.1', path: `/slow/${i}/wait/${i}` })
    outgoing.on('error', () => {})
    const [response] = await once(outgoing, 'response')
    response.on('error', () => {})
    outgoing.destroy()
  }

  await countsAre(probe, { 'GET /slow/:x/wait/:id': 10 })
  assert.equal(routeOf(probe, 'GET /slow/:x/wait/:id').aborted, 10)
  await until(() => inFlight(probe) === 0)
})

test('a response that ends after its client has gone is not counted a second time', async (t) => {
  const probe = startProbe(t)
  const open = []
  const port = await listen(t, http.createServer((req, res) => open.push(res)))
  const outgoing = http.get({ port, host: '127.0.0.1', path: '/late' })
  outgoing.on('error', () => {})
  await until(() => open.length === 1)
  outgoing.destroy()
  await countsAre(probe, { 'GET /late': 1 })

  open[0].end('too late')
  const next = request(port, '/next')
  await until(() => open.length === 2)
  open[1].end('ok')
  await next

  await countsAre(probe, { 'GET /late': 1, 'GET /next': 1 })
  assert.equal(routeOf(probe, 'GET /late').aborted, 1)
})

test('a request that is never answered stays in flight until its connection closes', async (t) => {
  const probe = startProbe(t)
  const port = await listen(t, http.createServer(() => {}))
  const outgoing = Array.from({ length: 7 }, () => http.get({ port, host: '127.0.0.1', path: '/never' }))
  for (const one of outgoing) one.on('error', () => {})

  await until(() => inFlight(probe) === 7)
  assert.deepEqual(counts(probe), {})
  for (const one of outgoing) one.destroy()

  await countsAre(probe, { 'GET /never': 7 })
  assert.equal(routeOf(probe, 'GET /never').aborted, 7)
})

test('a stream is in flight while it lasts and finished at its end', async (t) => {
  const probe = startProbe(t)
  let stream
  const port = await listen(t, http.createServer((req, res) => {
    stream = res
    res.write('first')
  }))
  const outgoing = http.get({ port, host: '127.0.0.1', path: '/events' })
  const [response] = await once(outgoing, 'response')
  await once(response, 'data')
  for (let i = 0; i < 20; i++) {
    stream.write('more')
    await once(response, 'data')
  }
  await until(() => inFlight(probe) === 1)
  assert.deepEqual(counts(probe), {})

  stream.end('last')
  response.resume()

  await countsAre(probe, { 'GET /events': 1 })
  assert.equal(routeOf(probe, 'GET /events').aborted, 0)
})

test('an upgrade to WebSocket is counted at the handshake, and the connection works', async (t) => {
  const probe = startProbe(t)
  const server = http.createServer((req, res) => res.end('ok'))
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(`echo ${data}`)))
  const port = await listen(t, server)

  for (let i = 0; i < 5; i++) {
    const client = new WebSocket(`ws://127.0.0.1:${port}/socket/${1000 + i}`)
    await once(client, 'open')
    client.send('hello')
    const [data] = await once(client, 'message')
    assert.equal(String(data), 'echo hello')
    client.terminate()
  }
  await request(port, '/plain')

  await countsAre(probe, { 'GET /socket/:id': 5, 'GET /plain': 1 })
  assert.equal(routeOf(probe, 'GET /socket/:id').upgraded, 5)
  await until(() => inFlight(probe) === 0)
})

test('a server without an upgrade listener treats an upgrade as without a probe, and one added later is seen', async (t) => {
  const probe = startProbe(t)
  const server = http.createServer((req, res) => res.end('plain'))
  const port = await listen(t, server)
  const upgrade = (path) => `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: odd\r\n\r\n`

  const plain = await talk(port, upgrade('/one'))
  assert.match(plain, /200 OK[^]*plain/)
  assert.equal(server.listenerCount('upgrade'), 0)

  const listener = (req, socket) => socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\nodd')
  server.on('upgrade', listener)
  assert.match(await talk(port, upgrade('/two')), /101/)
  server.removeListener('upgrade', listener)
  assert.equal(server.listenerCount('upgrade'), 0)

  await countsAre(probe, { 'GET /one': 1, 'GET /two': 1 })
  assert.equal(routeOf(probe, 'GET /two').upgraded, 1)
})

test('a request that breaks off within its head or is malformed is no request', async (t) => {
  const probe = startProbe(t)
  const port = await listen(t, http.createServer((req, res) => res.end('ok')))

  await talk(port, 'GARBAGE\r\n\r\n')
  await request(port, '/fine')

  await countsAre(probe, { 'GET /fine': 1 })
  await until(() => inFlight(probe) === 0)
})

test('a job that is tracked counts as a request, what it returns and throws comes through unchanged', async (t) => {
  const probe = startProbe(t)
  const error = new Error('fails')

  assert.equal(probe.track('job:sync', () => 1), 1)
  assert.equal(await probe.track('job:async', async () => 2), 2)
  assert.throws(() => probe.track('job:sync', () => { throw error }), (caught) => caught === error)
  await assert.rejects(probe.track('job:async', async () => { throw error }), (caught) => caught === error)

  await countsAre(probe, { 'job:sync': 2, 'job:async': 2 })
  assert.equal(routeOf(probe, 'job:sync').failed, 1)
  assert.equal(routeOf(probe, 'job:async').failed, 1)
  assert.throws(() => probe.track('', () => {}), { code: 'LEAKPROBE_ERR_ARGUMENT' })
  assert.throws(() => probe.track('job', 1), { code: 'LEAKPROBE_ERR_ARGUMENT' })
})

test('setRoute names a request, and wins over the framework and routeOf', async (t) => {
  const probe = startProbe(t, { routeOf: () => 'GET /from-routeOf' })
  const express = require('express5')
  const app = express()
  app.post('/graphql', (req, res) => {
    probe.setRoute(req, 'POST /graphql sendMail')
    res.send('ok')
  })
  app.get('/other', (req, res) => res.send('ok'))
  const Koa = require('koa3')
  const koa = new Koa()
  koa.use((ctx) => {
    probe.setRoute(ctx, '/from-koa')
    ctx.body = 'ok'
  })
  const ports = [await listen(t, http.createServer(app)), await listen(t, http.createServer(koa.callback()))]
  const fastify = require('fastify5')()
  t.after(() => fastify.close())
  fastify.get('/x/:y', async (req) => {
    probe.setRoute(req, 'GET /from-fastify')
    return 'ok'
  })
  await fastify.listen({ port: 0, host: '127.0.0.1' })

  await request(ports[0], '/graphql', { method: 'POST' })
  await request(ports[0], '/other')
  await request(ports[1], '/whatever')
  await request(fastify.server.address().port, '/x/1')

  await countsAre(probe, { 'POST /graphql sendMail': 1, 'GET /from-routeOf': 1, 'GET /from-koa': 1, 'GET /from-fastify': 1 })
  assert.throws(() => probe.setRoute(undefined, 'x'), { code: 'LEAKPROBE_ERR_ARGUMENT' })
  assert.throws(() => probe.setRoute({}, 5), { code: 'LEAKPROBE_ERR_ARGUMENT' })
})

test('requests that were open when the probe stopped do not reach the next probe', async (t) => {
  const first = startProbe(t)
  const open = []
  const server = http.createServer((req, res) => open.push(res))
  const port = await listen(t, server)
  const pending = [request(port, '/old'), request(port, '/old')]
  await until(() => open.length === 2)
  await first.stop()

  const second = startProbe(t)
  const more = request(port, '/new')
  await until(() => open.length === 3)
  for (const res of open) res.end('ok')
  await Promise.all([...pending, more])

  await countsAre(second, { 'GET /new': 1 })
})
