'use strict'

// Broken and hostile clients: they get nothing, they take nothing, and others are answered meanwhile.

const assert = require('node:assert/strict')
const { fork } = require('node:child_process')
const { once } = require('node:events')
const fs = require('node:fs')
const net = require('node:net')
const path = require('node:path')
const { test } = require('node:test')
const { cleanup, endAfter, makeDirectory, request, until } = require('./helper.js')
const { GARBAGE, send, slowLoris } = require('./fixtures/abuse.js')

const SERVED = path.join(__dirname, 'fixtures', 'served.js')
const CONNECTIONS = 32

async function servedApp (t, options = {}) {
  const directory = makeDirectory(t)
  const child = endAfter(t, fork(SERVED, [JSON.stringify({ directory, ...options })], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] }))
  const printed = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => printed.push(chunk))
  const [{ app, address }] = await once(child, 'message')
  return { child, app, directory, port: Number(new URL(address).port), printed: () => Buffer.concat(printed).toString() }
}

function descriptors (pid) {
  return fs.readdirSync(`/proc/${pid}/fd`).length
}

function rss (pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024
}

async function healthy (port) {
  return (await request(port, '/healthz')).status === 200
}

test('garbage of every kind is refused, and tells nothing', async (t) => {
  const { app, port, printed } = await servedApp(t, { serve: { port: 0, token: 'a-token-of-20-bytes!' } })

  for (const [what, bytes] of Object.entries(GARBAGE)) {
    const answer = await send(port, bytes())
    const status = Number(/^HTTP\/1\.[01] (\d+)/.exec(answer)?.[1] ?? 0)
    assert.ok(status === 0 || (status >= 400 && status < 500), `${what}: ${answer.slice(0, 200)}`)
    assert.doesNotMatch(answer, /root:|\[package\]|set-cookie|panicked|"schema"/, what)
    assert.ok(await healthy(port), `after ${what}`)
  }
  assert.equal((await request(app, '/')).body, 'ok')
  assert.equal(printed(), '')
})

test('without a token, garbage is no key to files either', async (t) => {
  const { port } = await servedApp(t)
  for (const what of ['a path out of the directory', 'the same, encoded', 'the same, in the files', 'another name', 'no name', 'two names', 'a wrong query']) {
    const answer = await send(port, GARBAGE[what]())
    assert.match(answer, /^HTTP\/1\.1 4\d\d /, what)
    assert.doesNotMatch(answer, /root:|\[package\]|"schema"/, what)
  }
  assert.equal((await send(port, GARBAGE['five requests at once']())).match(/HTTP\/1\.1 200 OK/g).length >= 1, true)
})

test('a thousand requests of garbage and slow connections leave no memory and no descriptors behind', { skip: process.platform !== 'linux', timeout: 120_000 }, async (t) => {
  const { app, child, port } = await servedApp(t, { serve: { port: 0, token: 'a-token-of-20-bytes!' } })
  const kinds = Object.values(GARBAGE)
  await request(app, '/')
  for (const bytes of kinds) await send(port, bytes(), 200)
  await until(() => healthy(port))
  const before = { descriptors: descriptors(child.pid), rss: rss(child.pid) }

  const loris = slowLoris(port, 500, 200)
  cleanup(t, () => loris.stop())
  await until(() => descriptors(child.pid) >= before.descriptors + CONNECTIONS / 2)
  let most = 0
  const waiting = Array.from({ length: 1000 }, (_, index) => kinds[index % kinds.length])
  await Promise.all(Array.from({ length: 20 }, async () => {
    for (let bytes = waiting.pop(); bytes !== undefined; bytes = waiting.pop()) {
      await send(port, bytes(), 200)
      most = Math.max(most, descriptors(child.pid))
    }
  }))
  assert.equal((await request(app, '/')).body, 'ok')
  loris.stop()

  assert.ok(most <= before.descriptors + CONNECTIONS + 8, `${most} descriptors, ${before.descriptors} before`)
  await until(() => healthy(port))
  await until(() => descriptors(child.pid) <= before.descriptors + 4)
  const grown = rss(child.pid) - before.rss
  assert.ok(grown < 48 << 20, `${grown} bytes more`)
})

test('one who never reads does not hold up others, and is thrown out when there is no room', async (t) => {
  const { port } = await servedApp(t)
  const sockets = []
  for (let index = 0; index < CONNECTIONS * 2; index++) {
    const socket = net.connect(port, '127.0.0.1')
    socket.on('error', () => {})
    cleanup(t, () => socket.destroy())
    await once(socket, 'connect')
    socket.pause()
    socket.write('GET /api/stats HTTP/1.1\r\nhost: localhost\r\n\r\n'.repeat(3))
    sockets.push(socket)
  }

  assert.ok(await healthy(port))
  for (const socket of sockets) socket.resume()
  await until(() => sockets.filter((socket) => socket.destroyed || socket.readableEnded).length >= CONNECTIONS)
})

test('who asks too often is told so, and is answered again later', async (t) => {
  const { port } = await servedApp(t)
  const socket = net.connect(port, '127.0.0.1')
  cleanup(t, () => socket.destroy())
  let answers = ''
  socket.on('error', () => {}).on('data', (chunk) => { answers += chunk })
  socket.write('GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n'.repeat(1000))

  await until(() => answers.includes('429 Too Many Requests'))

  assert.match(answers, /retry-after: 1/)
  assert.match(answers, /LEAKPROBE_ERR_TOO_MANY/)
  socket.destroy()
  await until(() => healthy(port))
})

test('a link in an incident is neither listed nor followed', async (t) => {
  const { directory, port } = await servedApp(t)
  const headers = { 'x-leakprobe': '1' }
  const { body } = await request(port, '/api/capture', { method: 'POST', headers })
  const { id } = JSON.parse(body)
  const at = await until(async () => {
    const { status, body } = await request(port, `/api/incidents/${id}`)
    return status === 200 && JSON.parse(body)
  })
  const incidents = path.join(directory, 'served', 'incidents')
  const [folder] = fs.readdirSync(incidents).filter((name) => name.endsWith(id))
  fs.symlinkSync('/etc/passwd', path.join(incidents, folder, 'passwd.txt'))
  fs.symlinkSync('/etc', path.join(incidents, '20990101T000000.000Z-link-abcdef'))

  assert.ok(at.files.length > 0)
  const { files } = JSON.parse((await request(port, `/api/incidents/${id}`)).body)
  assert.ok(!files.some(({ name }) => name === 'passwd.txt'))
  for (const target of [`/api/incidents/${id}/files/passwd.txt`, '/api/incidents/abcdef', '/api/incidents/abcdef/files/passwd']) {
    assert.equal((await request(port, target)).status, 404, target)
  }
})

test('captures over HTTP are few, so that nobody drives out the incidents that matter', async (t) => {
  const { port } = await servedApp(t)
  const statuses = []
  for (let index = 0; index < 8; index++) {
    statuses.push((await request(port, '/api/capture', { method: 'POST', headers: { 'x-leakprobe': '1' } })).status)
  }

  assert.deepEqual(statuses, [202, 202, 202, 202, 202, 429, 429, 429])
})
