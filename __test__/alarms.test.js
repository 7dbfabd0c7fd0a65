'use strict'

const assert = require('node:assert/strict')
const { createHmac } = require('node:crypto')
const fs = require('node:fs')
const http = require('node:http')
const https = require('node:https')
const path = require('node:path')
const channels = require('node:diagnostics_channel')
const { test } = require('node:test')
const { cleanup, listen, makeDirectory, request, startProbe, until } = require('./helper')
const { readOptions } = require('../lib/options')

const TLS = path.join(__dirname, 'fixtures', 'tls')
const KEY = 'a-key-of-the-test-that-nobody-may-see'
const SECRET_PATH = '/hooks/T0SECRET/B0SECRET'

/** A server that keeps what it gets and answers with the statuses of `answers`, the last again and again; `undefined` never answers. */
async function receiver (t, answers = [200], serve = http.createServer) {
  const received = []
  const server = serve((request, response) => {
    const chunks = []
    request.on('data', (chunk) => chunks.push(chunk)).on('end', () => {
      received.push({ url: request.url, method: request.method, headers: request.headers, body: Buffer.concat(chunks).toString() })
      const answer = answers[Math.min(received.length, answers.length) - 1]
      if (answer !== undefined) response.writeHead(answer.status ?? answer, answer.headers).end('x'.repeat(100_000))
    })
  })
  const port = await listen(t, server)
  return { received, port, url: `http://127.0.0.1:${port}${SECRET_PATH}` }
}

/** A trigger that trips at once, and again and again. */
const trips = (more) => ({ name: 'ever', when: { type: 'timers', above: 0 }, forMs: 0, warmUpMs: 0, cooldownMs: 0, maxPerHour: 3600, actions: ['webhook'], ...more })

const alarm = (probe) => probe.stats().alarms[0]

function startTimers (t) {
  const timer = setInterval(() => {}, 60_000)
  cleanup(t, () => clearInterval(timer))
}

test('a trip is told once, signed, and is delivered', async (t) => {
  startTimers(t)
  const { received, url } = await receiver(t)
  const probe = startProbe(t, { alarms: [{ name: 'ops', url, key: KEY }], triggers: [trips({ actions: ['webhook', 'record'] })] })
  await until(() => alarm(probe).delivered === 1)

  const [{ method, headers, body }] = received
  assert.equal(method, 'POST')
  const [, seconds, hex] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(headers['leakprobe-signature'])
  assert.equal(createHmac('sha256', KEY).update(`${seconds}.${body}`).digest('hex'), hex)
  assert.ok(Math.abs(seconds - Date.now() / 1000) < 600)
  const message = JSON.parse(body)
  assert.equal(message.schema, 'leakprobe.alarm/1')
  assert.deepEqual([message.kind, message.service, message.pid, message.detail.trigger], ['trigger', 'test', process.pid, 'ever'])
  assert.match(message.text, /^ever: /)
  assert.match(message.detail.incident, /^[0-9a-f]+$/)
  assert.equal(headers['leakprobe-delivery'], message.id)
  assert.ok(!body.includes('SECRET') && !body.includes(KEY))
  assert.ok(alarm(probe).lastDeliveredAt > '2020')
})

test('what fails is tried again with the same id until it is delivered; what is refused is given up', async (t) => {
  startTimers(t)
  const flaky = await receiver(t, [503, { status: 429, headers: { 'retry-after': '0' } }, 200])
  const gone = await receiver(t, [404])
  const moved = await receiver(t, [{ status: 302, headers: { location: flaky.url } }])
  const probe = startProbe(t, {
    alarms: [{ name: 'flaky', url: flaky.url }, { name: 'gone', url: gone.url }, { name: 'moved', url: moved.url }],
    triggers: [trips()]
  })
  await until(() => alarm(probe).delivered === 1)
  await until(() => probe.stats().alarms.every(({ waiting }) => waiting === 0))
  assert.equal(new Set(flaky.received.map(({ headers }) => headers['leakprobe-delivery'])).size, 1)
  assert.equal(flaky.received.length, 3)
  assert.equal(alarm(probe).failures, 2)
  assert.equal(alarm(probe).lastFailure, undefined)
  const [, refused, redirected] = probe.stats().alarms
  assert.deepEqual([refused.givenUp, refused.lastFailure], [1, 'it answered 404'])
  assert.deepEqual([redirected.givenUp, redirected.lastFailure], [1, 'it answered 302'])
})

test('nobody there: it is given up after eight attempts, and the app does not notice', async (t) => {
  startTimers(t)
  const { port } = await receiver(t)
  const closed = http.createServer()
  await new Promise((resolve) => closed.listen(0, '127.0.0.1', resolve))
  const free = closed.address().port
  await new Promise((resolve) => closed.close(resolve))
  const probe = startProbe(t, { alarms: [{ name: 'nobody', url: `http://127.0.0.1:${free}${SECRET_PATH}` }], triggers: [trips()] })
  await until(() => alarm(probe).givenUp === 1, 'it is given up', 120_000)
  assert.equal(alarm(probe).failures, 8)
  assert.equal(alarm(probe).lastFailure, 'it refused the connection, 8 times')
  assert.equal((await request(port, '/')).status, 200)
})

test('a server that never answers holds nothing up: the probe stops at once', async (t) => {
  startTimers(t)
  const { received, url } = await receiver(t, [undefined])
  const probe = startProbe(t, { alarms: [{ name: 'silent', url }], triggers: [trips()] })
  await until(() => received.length === 1)
  const before = Date.now()
  await probe.stop()
  assert.ok(Date.now() - before < 4500, 'the attempt itself would take 5 s')
})

test('a limit per hour holds back, and the next message says how many', async (t) => {
  const { received, url } = await receiver(t)
  const timer = []
  cleanup(t, () => timer.forEach(clearInterval))
  const probe = startProbe(t, {
    alarms: [{ name: 'ops', url, maxPerHour: 2 }],
    triggers: Array.from({ length: 5 }, (_, i) => trips({ name: `ever-${i}` }))
  })
  timer.push(setInterval(() => {}, 60_000))
  await until(() => alarm(probe).delivered === 2 && alarm(probe).throttled === 3)
  assert.equal(received.length, 2)
})

test('alarms are chosen by name, and Slack gets a line of text', async (t) => {
  startTimers(t)
  const slack = await receiver(t)
  const other = await receiver(t)
  const probe = startProbe(t, {
    alarms: [{ name: 'slack', url: slack.url, format: 'slack' }, { name: 'other', url: other.url }],
    triggers: [trips({ actions: [], alarms: ['slack'] })]
  })
  await until(() => alarm(probe).delivered === 1)
  assert.equal(other.received.length, 0)
  assert.deepEqual(Object.keys(JSON.parse(slack.received[0].body)), ['text'])
  assert.match(JSON.parse(slack.received[0].body).text, new RegExp(`^test \\(pid ${process.pid} on .+\\): ever: `))
})

test('TLS is spoken with the authority that is named, and no other', async (t) => {
  startTimers(t)
  const options = { key: fs.readFileSync(path.join(TLS, 'server.key')), cert: fs.readFileSync(path.join(TLS, 'server.pem')) }
  const { port } = await receiver(t, [200], (listener) => https.createServer(options, listener))
  const url = `https://localhost:${port}${SECRET_PATH}`
  const probe = startProbe(t, {
    alarms: [{ name: 'trusted', url, caFile: path.join(TLS, 'ca.pem') }, { name: 'untrusted', url }],
    triggers: [trips()]
  })
  await until(() => alarm(probe).delivered === 1)
  await until(() => probe.stats().alarms[1].failures > 0)
  assert.match(probe.stats().alarms[1].lastFailure, /^its TLS is not trusted/)
  assert.equal(probe.stats().alarms[1].delivered, 0)
})

test('a leak is an alarm by itself, and a message of the channel', async (t) => {
  const { received, url } = await receiver(t)
  const told = []
  const listener = (leak) => told.push(leak)
  channels.subscribe('leakprobe:finding', listener)
  cleanup(t, () => channels.unsubscribe('leakprobe:finding', listener))
  const probe = startProbe(t, { alarms: [{ name: 'ops', url, on: ['leak'] }], floors: 'forced' })
  const kept = []
  const leaky = await listen(t, http.createServer((_, response) => {
    kept.push(Buffer.from('x'.repeat(200)).toString() + kept.length, new Array(500).fill(kept.length))
    response.end()
  }))
  await until(async () => {
    for (let i = 0; i < 40; i++) await request(leaky, '/leak')
    return alarm(probe).delivered > 0
  }, 'the leak is told', 120_000)
  const message = JSON.parse(received[0].body)
  assert.deepEqual([message.kind, message.route, message.detail.route], ['leak', 'GET /leak', 'GET /leak'])
  assert.match(message.text, /^GET \/leak leaks .* per request \(kind /)
  assert.equal(told[0].id, message.detail.id)
})

test('secrets are in no stats, report, incident or error', async (t) => {
  startTimers(t)
  const directory = makeDirectory(t)
  const { url } = await receiver(t, [404])
  const errors = []
  const probe = startProbe(t, { directory, alarms: [{ name: 'ops', url, key: KEY }], triggers: [trips({ actions: ['record', 'webhook'] })] })
  probe.on('error', (error) => errors.push(error))
  await until(() => alarm(probe).givenUp === 1)
  const incident = await probe.capture()
  await probe.capture({ reason: 'again' })
  const texts = [JSON.stringify([probe.stats(), probe.report(), incident, errors])]
  for (const entry of fs.readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) texts.push(fs.readFileSync(path.join(entry.parentPath ?? entry.path, entry.name), 'latin1'))
  }
  assert.ok(texts.length > 3)
  for (const text of texts) assert.ok(!text.includes('SECRET') && !text.includes(KEY))
})

test('a wrong alarm is refused with its place and without its secrets', () => {
  const url = `https://hooks.example${SECRET_PATH}`
  const cases = [
    [{ alarms: [{ name: 'ops' }] }, 'alarms[0].url'],
    [{ alarms: [{ name: 'ops', url: `ftp://x${SECRET_PATH}` }] }, 'alarms[0].url'],
    [{ alarms: [{ name: 'ops', url, key: 'SECRET' }] }, 'alarms[0].key'],
    [{ alarms: [{ name: 'ops', url, maxPerHour: 0 }] }, 'alarms[0].maxPerHour'],
    [{ alarms: [{ name: 'ops', url: 'env:NOT_THERE' }] }, 'alarms[0].url'],
    [{ alarms: 'SECRET' }, 'alarms'],
    [{ alarms: [{ name: 'ops', url }], triggers: [trips({ alarms: ['dev'] })] }, 'triggers[0].alarms[0]'],
    [{ triggers: [trips()] }, 'triggers[0].actions']
  ]
  for (const [options, option] of cases) {
    assert.throws(() => readOptions(options, { env: {}, cwd: __dirname }), (error) => {
      assert.equal(error.code, 'LEAKPROBE_ERR_OPTION')
      assert.equal(error.option, option)
      if (option !== 'alarms') assert.ok(!`${error.stack} ${JSON.stringify(error)}`.includes('SECRET'), error.message)
      return true
    })
  }
  const { alarms } = readOptions({ alarms: [{ name: 'ops', url: 'env:HOOK' }] }, { env: { HOOK: url }, cwd: __dirname })
  assert.equal(alarms[0].url, url)
  assert.deepEqual(readOptions({}, { env: { LEAKPROBE_ALARMS: JSON.stringify(alarms) }, cwd: __dirname }).alarms, alarms)
})

test('certificates that cannot be read are an error of start, with its code', (t) => {
  const alarms = [{ name: 'ops', url: 'https://hooks.example/', caFile: path.join(TLS, 'server.key') }]
  assert.throws(() => startProbe(t, { alarms }), { code: 'LEAKPROBE_ERR_ALARM', message: /^alarm ops: the certificates in .* cannot be used: it has none$/ })
})
