'use strict'

// What is served over HTTP, and to whom.

const assert = require('node:assert/strict')
const { fork, spawn } = require('node:child_process')
const { once } = require('node:events')
const fs = require('node:fs')
const http = require('node:http')
const net = require('node:net')
const path = require('node:path')
const { test } = require('node:test')
const { cleanup, endAfter, listen, makeDirectory, request, startProbe, until } = require('./helper.js')

const SERVED = path.join(__dirname, 'fixtures', 'served.js')
const TOKEN = 'a-token-of-20-bytes!'
const HEADERS = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin'
}

/** Port of the probe's server. */
function portOf (probe) {
  const { address } = probe.stats().server
  return Number(new URL(address).port)
}

/** One request; resolves with status, headers and body. */
function ask (port, target, { method = 'GET', headers = {}, body, host = '127.0.0.1' } = {}) {
  return new Promise((resolve, reject) => {
    const outgoing = http.request({ port, host, path: target, method, headers, agent: false }, (response) => {
      const chunks = []
      response.on('data', (chunk) => chunks.push(chunk))
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) }))
      response.on('error', reject)
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

async function json (port, target, options) {
  const { status, body, headers } = await ask(port, target, options)
  assert.equal(headers['content-type'], 'application/json', target)
  return { status, value: JSON.parse(body) }
}

async function refused (port, target, options, status, code) {
  const { status: got, value } = await json(port, target, options)
  assert.deepEqual([got, value.error.code], [status, code], target)
  assert.ok(value.error.message.length > 10)
}

/** A process of its own that serves; `{ child, app, port }`. */
async function servedApp (t, options = {}) {
  const child = endAfter(t, fork(SERVED, [JSON.stringify({ directory: makeDirectory(t), ...options })], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] }))
  const [{ app, address, because }] = await once(child, 'message')
  return { child, app, because, port: address && Number(new URL(address).port) }
}

test('nothing listens unless it was asked for', (t) => {
  const probe = startProbe(t)

  assert.equal(probe.stats().server, undefined)
  assert.equal(probe.report().process.capabilities.server.state, 'off')
})

test('the interface says what stats() and report() say, and every answer keeps browsers from more', async (t) => {
  const port = await listen(t, http.createServer((req, res) => res.end('ok')))
  const probe = startProbe(t, { serve: 0, routes: ['GET /a/:b'], triggers: [{ name: 'stalled', when: { type: 'stall', aboveMs: 60_000 } }] })
  const served = portOf(probe)
  for (let index = 0; index < 5; index++) await request(port, `/a/${index}`)
  await until(async () => (await json(served, '/api/stats')).value.routes.some(({ route, requests }) => route === 'GET /a/:b' && requests === 5))

  const { value: stats } = await json(served, '/api/stats')
  // Only JavaScript knows some, and what is read each second may come between the two.
  const compared = (of) => Object.keys(of).filter((name) => !['handles', 'workers', 'process', 'memoryMap', 'heap'].includes(name)).sort()
  assert.deepEqual(compared(stats), compared(probe.stats()))
  assert.deepEqual(stats.server, { address: `http://127.0.0.1:${served}` })
  const { value: report } = await json(served, '/api/report')
  assert.deepEqual(Object.keys(report), Object.keys(probe.report()))
  assert.equal(report.process.capabilities.server.because, `http://127.0.0.1:${served}`)
  const { value: rules } = await json(served, '/api/rules')
  assert.deepEqual(rules.triggers.map(({ name }) => name), ['stalled'])
  assert.ok(rules.budget.freezesPerHour.limit > 0)
  const { value: health } = await json(served, '/healthz')
  assert.deepEqual(health, { status: 'ok', pid: process.pid, service: 'test' })

  for (const target of ['/', '/app.js', '/api/stats', '/healthz', '/nothing']) {
    const { headers } = await ask(served, target)
    for (const [name, value] of Object.entries(HEADERS)) assert.equal(headers[name], value, `${target}: ${name}`)
    assert.match(headers['content-security-policy'], /^default-src 'none'; script-src 'self';/)
    assert.equal(headers['access-control-allow-origin'], undefined)
  }
  const page = await ask(served, '/')
  assert.equal(page.headers['content-type'], 'text/html; charset=utf-8')
  assert.match(page.body.toString(), /^<!doctype html>/i)
  const head = await ask(served, '/api/stats', { method: 'HEAD' })
  assert.deepEqual([head.status, head.body.length], [200, 0])
})

test('series have the process and its routes, second by second', async (t) => {
  const port = await listen(t, http.createServer((req, res) => res.end('ok')))
  const probe = startProbe(t, { serve: 0, routes: ['GET /a/:b'] })
  const served = portOf(probe)
  await request(port, '/a/1')

  const series = await until(async () => {
    const { value } = await json(served, '/api/series?minutes=1')
    return value.times.length >= 2 && value.routes.length > 0 && value.process.heapUsedBytes.at(-1) !== null && value
  })

  assert.equal(series.stepMs, 1000)
  assert.equal(series.heat, null)
  for (const [name, values] of Object.entries(series.process)) {
    if (name !== 'memoryMap') assert.equal(values.length, series.times.length, name)
  }
  assert.ok(Math.abs(series.times.at(-1) - Date.now()) < 60_000)
  assert.equal(series.process.requests.reduce((sum, count) => sum + count), 1)
  const { value: one } = await json(served, `/api/series?route=${encodeURIComponent('GET /a/:b')}`)
  assert.deepEqual(one.routes.map(({ route }) => route), ['GET /a/:b'])
  assert.equal(one.heat.counts.length, one.times.length)
  assert.equal(one.heat.counts.flat().reduce((sum, count) => sum + count), 1)
  assert.equal(one.heat.boundsMs.at(-1), null)
  await refused(served, '/api/series?route=GET%20/nowhere', {}, 404, 'LEAKPROBE_ERR_NOT_FOUND')
  await refused(served, '/api/series?minutes=0', {}, 400, 'LEAKPROBE_ERR_QUERY')
  await refused(served, '/api/series?until=5', {}, 400, 'LEAKPROBE_ERR_QUERY')
})

test('a capture over HTTP leaves an incident whose files can be fetched, but no heap snapshot as it is', async (t) => {
  const probe = startProbe(t, { serve: 0 })
  const served = portOf(probe)
  assert.deepEqual((await json(served, '/api/incidents')).value, [])
  const headers = { 'x-leakprobe': '1' }

  const { status, value: { id } } = await json(served, '/api/capture', { method: 'POST', headers, body: '{"reason":"by-hand","heapSnapshot":true}' })
  assert.equal(status, 202)
  const [incident] = await until(async () => {
    const { value } = await json(served, '/api/incidents')
    return value.length === 1 && value[0].heapSnapshot.state === 'written' && value
  }, 'the incident is complete', 120_000)

  assert.deepEqual([incident.id, incident.reason, incident.route], [id, 'by-hand', null])
  const { value: one } = await json(served, `/api/incidents/${id}`)
  assert.equal(one.schema, 'leakprobe.incident/1')
  assert.ok('analysis' in one && 'stack' in one)
  const files = Object.fromEntries(one.files.map((file) => [file.name, file]))
  const report = await ask(served, files['report.json'].href)
  assert.equal(report.headers['content-disposition'], 'attachment; filename="report.json"')
  assert.equal(report.body.length, files['report.json'].bytes)
  assert.equal(JSON.parse(report.body).schema, 'leakprobe.report/1')
  assert.equal(files['heap.heapsnapshot.gz'].allowed, false)
  await refused(served, files['heap.heapsnapshot.gz'].href, {}, 403, 'LEAKPROBE_ERR_FORBIDDEN')
  for (const name of ['..', '../report.json', '%2e%2e%2freport.json', 'nothing', '']) {
    await refused(served, `/api/incidents/${id}/files/${name}`, {}, 404, 'LEAKPROBE_ERR_NOT_FOUND')
  }
  await refused(served, '/api/incidents/ffffff', {}, 404, 'LEAKPROBE_ERR_NOT_FOUND')
})

test('a heap snapshot is sent whole where that is allowed', async (t) => {
  const probe = startProbe(t, { serve: { port: 0, heapSnapshots: true } })
  const served = portOf(probe)
  const incident = await probe.capture({ heapSnapshot: true })

  const { value: one } = await json(served, `/api/incidents/${incident.id}`)
  const file = one.files.find(({ name }) => name === 'heap.heapsnapshot.gz')
  const { status, body, headers } = await ask(served, file.href)

  assert.deepEqual([status, file.allowed, headers['content-type']], [200, true, 'application/gzip'])
  assert.ok(body.length > 100_000)
  assert.ok(body.equals(fs.readFileSync(path.join(incident.directory, file.name))))
})

test('acting needs a header that no form sends, and no other site', async (t) => {
  const probe = startProbe(t, { serve: 0, directory: false })
  const served = portOf(probe)
  const post = (headers, body) => ({ method: 'POST', headers, body })
  const asked = { 'x-leakprobe': '1' }

  await refused(served, '/api/capture', post({}), 403, 'LEAKPROBE_ERR_ORIGIN')
  await refused(served, '/api/capture', post({ ...asked, origin: 'https://evil.example' }), 403, 'LEAKPROBE_ERR_ORIGIN')
  await refused(served, '/api/capture', post({ ...asked, origin: 'null' }), 403, 'LEAKPROBE_ERR_ORIGIN')
  await refused(served, '/api/capture', post(asked, '{"floor":true}'), 400, 'LEAKPROBE_ERR_BODY')
  await refused(served, '/api/capture', post(asked, `{"reason":"${'a'.repeat(9000)}"}`), 413, 'LEAKPROBE_ERR_BODY')
  await refused(served, '/api/capture', post({ ...asked, origin: `http://127.0.0.1:${served}` }), 409, 'LEAKPROBE_ERR_NO_DIRECTORY')
  await refused(served, '/api/capture', {}, 405, 'LEAKPROBE_ERR_METHOD')
  await refused(served, '/api/stats', post(asked), 405, 'LEAKPROBE_ERR_METHOD')
  await refused(served, '/api/stats', { method: 'OPTIONS', headers: { origin: 'https://evil.example' } }, 405, 'LEAKPROBE_ERR_METHOD')
})

test('another name than its own is not answered, so that no name can be bent to it', async (t) => {
  const probe = startProbe(t, { serve: { port: 0, hosts: ['app.internal'] } })
  const served = portOf(probe)

  for (const host of ['evil.example', `evil.example:${served}`, '10.0.0.1', 'localhost.evil.example']) {
    await refused(served, '/api/stats', { headers: { host } }, 421, 'LEAKPROBE_ERR_HOST')
    await refused(served, '/healthz', { headers: { host } }, 421, 'LEAKPROBE_ERR_HOST')
  }
  await refused(served, 'http://evil.example/api/stats', {}, 421, 'LEAKPROBE_ERR_HOST')
  for (const host of ['localhost', `127.0.0.1:${served}`, '[::1]:80', 'App.Internal']) {
    assert.equal((await ask(served, '/api/stats', { headers: { host } })).status, 200, host)
  }
})

test('with a token only those who know it are answered', async (t) => {
  const probe = startProbe(t, { serve: { port: 0, token: TOKEN } })
  const served = portOf(probe)
  const basic = (text) => ({ headers: { authorization: `Basic ${Buffer.from(text).toString('base64')}` } })

  for (const target of ['/', '/api/stats', '/api/incidents', '/nothing']) {
    await refused(served, target, {}, 401, 'LEAKPROBE_ERR_TOKEN')
    await refused(served, target, { headers: { authorization: 'Bearer wrong' } }, 401, 'LEAKPROBE_ERR_TOKEN')
    await refused(served, target, basic(`any:${TOKEN}x`), 401, 'LEAKPROBE_ERR_TOKEN')
  }
  assert.match((await ask(served, '/')).headers['www-authenticate'], /^Basic realm="leakprobe"/)
  await refused(served, '/api/capture', { method: 'POST', headers: { 'x-leakprobe': '1' } }, 401, 'LEAKPROBE_ERR_TOKEN')
  assert.deepEqual((await json(served, '/healthz')).value, { status: 'ok' }, 'whose it is, is told to those who know the token')
  assert.equal((await ask(served, '/api/stats', { headers: { authorization: `Bearer ${TOKEN}` } })).status, 200)
  assert.equal((await ask(served, '/', basic(`any:${TOKEN}`))).status, 200)
  assert.equal(JSON.stringify([probe.stats(), probe.report()]).includes(TOKEN), false)
})

test('it answers while the event loop does not turn, and tells for how long', async (t) => {
  const { app, port } = await servedApp(t)
  request(app, '/spin').catch(() => {})

  const stats = await until(async () => {
    const { value } = await json(port, '/api/stats')
    return value.eventLoop.silentMs > 2000 && value
  })

  assert.ok(stats.eventLoop.silentMs > 2000)
  const series = await until(async () => {
    const { value } = await json(port, '/api/series')
    return value.process.loopStallMs.some((ms) => ms > 1000) && value
  })
  assert.ok(Math.max(...series.process.loopStallMs) > 1000)
  assert.equal((await ask(port, '/')).status, 200)
})

test('a port that is taken does not keep the app from starting, and is taken over when it is free', async (t) => {
  const other = net.createServer()
  const port = await listen(t, other)
  const probe = startProbe(t, { serve: port })

  const { address, because } = probe.stats().server
  assert.equal(address, undefined)
  assert.match(because, new RegExp(`^another process listens at 127\\.0\\.0\\.1:${port}`))
  assert.equal(probe.report().process.capabilities.server.state, 'off')
  await new Promise((resolve) => other.close(resolve))
  await until(() => probe.stats().server.address === `http://127.0.0.1:${port}`)
  assert.equal((await json(port, '/healthz')).value.pid, process.pid)
})

test('stop() ends it at once, whatever connections are open, and the port is free', async (t) => {
  const probe = startProbe(t, { serve: 0 })
  const served = portOf(probe)
  const sockets = []
  for (let index = 0; index < 20; index++) {
    const socket = net.connect(served, '127.0.0.1')
    socket.on('error', () => {})
    cleanup(t, () => socket.destroy())
    await once(socket, 'connect')
    socket.write('GET /api/stats HTTP/1.1\r\nhost: localhost\r\n')
    sockets.push(new Promise((resolve) => socket.once('close', resolve)))
  }

  const before = process.hrtime.bigint()
  await probe.stop()
  const ms = Number(process.hrtime.bigint() - before) / 1e6

  assert.ok(ms < 6000, `${ms} ms`)
  await Promise.all(sockets)
  await assert.rejects(ask(served, '/healthz'), { code: 'ECONNREFUSED' })
  const again = startProbe(t, { serve: served })
  assert.equal(again.stats().server.address, `http://127.0.0.1:${served}`)
})

test('it keeps no process alive, and children of the app do not hold its socket', async (t) => {
  const { child, port } = await servedApp(t)
  const sleeper = await new Promise((resolve) => {
    child.once('message', ({ sleeper }) => resolve(sleeper))
    child.send('spawn a child')
  })
  cleanup(t, () => { try { process.kill(sleeper, 'SIGKILL') } catch {} })
  assert.equal((await ask(port, '/healthz')).status, 200)

  child.send('end')
  const [code] = await once(child, 'exit')

  assert.equal(code, 0)
  process.kill(sleeper, 0)
  await assert.rejects(ask(port, '/healthz'), { code: 'ECONNREFUSED' })
})

test('a shadow neither holds the socket nor answers on it', { skip: process.platform !== 'linux' }, async (t) => {
  const { app, child, port } = await servedApp(t)
  // The shadow writes its heap snapshot for a while; meanwhile the app is killed.
  await request(app, '/fill')
  assert.equal((await ask(port, '/api/capture', { method: 'POST', headers: { 'x-leakprobe': '1' }, body: '{"heapSnapshot":true}' })).status, 202)
  const shadow = await until(() => childrenOf(child.pid).find((pid) => read(`/proc/${pid}/comm`).startsWith('leakprobe-shado')))
  const sockets = until(() => {
    const links = fs.readdirSync(`/proc/${shadow}/fd`).map((fd) => fs.readlinkSync(`/proc/${shadow}/fd/${fd}`))
    return links.length > 0 && !links.some((link) => link.startsWith('socket:')) && links
  })

  assert.ok((await sockets).some((link) => link === '/dev/null'))
  assert.equal((await json(port, '/healthz')).value.pid, child.pid)
})

function childrenOf (pid) {
  return read(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number)
}

function read (file) {
  try {
    return fs.readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

test('under register the port comes from the environment', async (t) => {
  const directory = makeDirectory(t)
  const script = path.join(directory, 'app.js')
  fs.writeFileSync(script, "setTimeout(() => {}, 60000)\nconsole.log(JSON.stringify(process[Symbol.for('leakprobe.running')].probe.stats().server))\n")
  const child = endAfter(t, spawn(process.execPath, ['--require', path.join(__dirname, '..', 'register.js'), script], {
    cwd: directory, env: { ...process.env, LEAKPROBE_SERVE: '{"port":0,"token":"0123456789abcdef"}', LEAKPROBE_DIRECTORY: 'false' }, stdio: ['ignore', 'pipe', 'inherit']
  }))

  const [line] = await once(child.stdout, 'data')

  const { address } = JSON.parse(line)
  await refused(Number(new URL(address).port), '/api/stats', {}, 401, 'LEAKPROBE_ERR_TOKEN')
})
