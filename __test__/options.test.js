'use strict'

const assert = require('node:assert/strict')
const fs = require('node:fs')
const path = require('node:path')
const { test } = require('node:test')
const { start } = require('../index.js')
const { readOptions, OPTIONS } = require('../lib/options')
const { findJsonError } = require('../lib/json-error')
const { serviceName } = require('../lib/service-name')
const { mainScript, environment, workingDirectory } = require('../lib/main-script')
const { makeDirectory } = require('./helper')

const trigger = (more) => ({ triggers: [{ name: 'one', when: { type: 'stall', aboveMs: 100 }, ...more }] })
const when = (condition) => trigger({ when: condition })

// What start() gets, and where the error says it is wrong.
const WRONG = [
  [null, 'options'],
  [[], 'options'],
  ['production', 'options'],
  [{ colour: 'red' }, 'colour'],
  [{ windowMS: 1000 }, 'windowMS'],
  [{ preset: 'staging' }, 'preset'],
  [{ directory: 5 }, 'directory'],
  [{ directory: true }, 'directory'],
  [{ directory: '' }, 'directory'],
  [{ directory: null }, 'directory'],
  [{ service: '../up' }, 'service'],
  [{ service: '' }, 'service'],
  [{ routeOf: 'GET /' }, 'routeOf'],
  [{ routes: 'GET /' }, 'routes'],
  [{ routes: ['GET /', '/no-method'] }, 'routes[1]'],
  [{ maxRoutes: 0 }, 'maxRoutes'],
  [{ maxRoutes: 1.5 }, 'maxRoutes'],
  [{ maxRoutes: 5001 }, 'maxRoutes'],
  [{ windowMs: '1000' }, 'windowMs'],
  [{ windowMs: NaN }, 'windowMs'],
  [{ warmUpMs: -1 }, 'warmUpMs'],
  [{ tickMs: 5 }, 'tickMs'],
  [{ floors: 'never' }, 'floors'],
  [{ heapSnapshotBy: 'magic' }, 'heapSnapshotBy'],
  [{ floorIntervalMs: 10 }, 'floorIntervalMs'],
  [{ floorPauseShare: 0.9 }, 'floorPauseShare'],
  [{ watchOneIn: -1 }, 'watchOneIn'],
  [{ reportIntervalMs: Infinity }, 'reportIntervalMs'],
  [{ reportFile: true }, 'reportFile'],
  [{ maxIncidents: 0 }, 'maxIncidents'],
  [{ maxIncidentBytes: 10 }, 'maxIncidentBytes'],
  [{ maxIncidentAgeMs: 1000 }, 'maxIncidentAgeMs'],
  [{ minFreeDiskBytes: '5%' }, 'minFreeDiskBytes'],
  [{ minFreeDiskBytes: -1 }, 'minFreeDiskBytes'],
  [{ maxCapturesPerDay: 1.5 }, 'maxCapturesPerDay'],
  [{ history: 'yes' }, 'history'],
  [{ maxHistoryBytes: 1000 }, 'maxHistoryBytes'],
  [{ version: 7 }, 'version'],
  [{ version: '1.0\u001b[2J' }, 'version'],
  [{ queueCapacity: 1e9 }, 'queueCapacity'],
  [{ maxSnapshotPauseMs: -5 }, 'maxSnapshotPauseMs'],
  [{ without: ['everything'] }, 'without[0]'],
  [{ without: 'native-gc' }, 'without'],
  [{ serve: true }, 'serve'],
  [{ serve: '9464' }, 'serve'],
  [{ serve: 65536 }, 'serve'],
  [{ serve: -1 }, 'serve'],
  [{ serve: {} }, 'serve.port'],
  [{ serve: { port: 1.5 } }, 'serve.port'],
  [{ serve: { port: 0, path: '/x' } }, 'serve.path'],
  [{ serve: { port: 0, host: 'app.internal' } }, 'serve.host'],
  [{ serve: { port: 0, host: 'fe80::1%eth0' } }, 'serve.host'],
  [{ serve: { port: 0, host: '0.0.0.0' } }, 'serve.token'],
  [{ serve: { port: 0, host: '::' } }, 'serve.token'],
  [{ serve: { port: 0, token: 'too short' } }, 'serve.token'],
  [{ serve: { port: 0, token: 5 } }, 'serve.token'],
  [{ serve: { port: 0, hosts: 'app' } }, 'serve.hosts'],
  [{ serve: { port: 0, hosts: ['app', 'http://app'] } }, 'serve.hosts[1]'],
  [{ serve: { port: 0, heapSnapshots: 1 } }, 'serve.heapSnapshots'],
  [{ triggers: true }, 'triggers'],
  [{ triggers: {} }, 'triggers'],
  [{ triggers: [5] }, 'triggers[0]'],
  [{ triggers: [{}] }, 'triggers[0].name'],
  [{ triggers: [{ name: 'one' }] }, 'triggers[0].when'],
  [trigger({ name: 'Not Lower' }), 'triggers[0].name'],
  [trigger({ forMS: 1 }), 'triggers[0].forMS'],
  [trigger({ forMs: -1 }), 'triggers[0].forMs'],
  [trigger({ clearRatio: 0 }), 'triggers[0].clearRatio'],
  [trigger({ maxPerHour: 0 }), 'triggers[0].maxPerHour'],
  [trigger({ heapSnapshot: 'yes' }), 'triggers[0].heapSnapshot'],
  [trigger({ routes: ['GET /x'] }), 'triggers[0].routes'],
  [when({ type: 'disk', above: 1 }), 'triggers[0].when.type'],
  [when({ type: 'stall' }), 'triggers[0].when.aboveMs'],
  [when({ type: 'stall', aboveMs: '5s' }), 'triggers[0].when.aboveMs'],
  [when({ type: 'heap', aboveShare: 85 }), 'triggers[0].when.aboveShare'],
  [when({ type: 'latency', aboveMs: 10, quantile: 95 }), 'triggers[0].when.quantile'],
  [when({ type: 'latency', aboveMs: 10, above: 95 }), 'triggers[0].when.above'],
  [when({ type: 'listeners', above: -1 }), 'triggers[0].when.above'],
  [{ triggers: [...trigger().triggers, ...trigger().triggers] }, 'triggers[1].name']
]

test('every wrong option is refused with its place, what was expected and what was received', () => {
  for (const [options, place] of WRONG) {
    assert.throws(() => start(options), (error) => {
      assert.equal(error.code, 'LEAKPROBE_ERR_OPTION', `${place}: ${error.stack}`)
      assert.equal(error.option, place)
      assert.ok(error instanceof TypeError)
      assert.ok(error.message.includes(`expected ${error.expected}, received ${error.received}`), error.message)
      return true
    }, JSON.stringify(options))
  }
})

test('without options every default is there, and the preset test shortens them', () => {
  const production = readOptions({}, { env: {}, cwd: '/' })
  const quick = readOptions({ preset: 'test' }, { env: {}, cwd: '/' })

  assert.deepEqual(Object.keys(production).sort(), Object.keys(OPTIONS).sort())
  assert.equal(production.directory, '/.leakprobe')
  assert.equal(production.windowMs, 10_000)
  assert.equal(quick.windowMs, 1000)
  assert.equal(production.floors, 'auto')
  assert.equal(quick.floors, 'auto')
  assert.deepEqual(production.triggers.map(({ name }) => name), ['slow-route', 'near-heap-limit', 'heap-limit', 'loop-stalled', 'many-listeners', 'many-timers'])
  assert.deepEqual(production.triggers[0], {
    name: 'slow-route',
    when: { type: 'latency', quantile: 0.95, aboveMs: 2000, minRequests: 20, running: true },
    routes: [],
    exceptRoutes: [],
    forMs: 30_000,
    clearRatio: 0.8,
    warmUpMs: 60_000,
    cooldownMs: 600_000,
    maxPerHour: 4,
    heapSnapshot: false,
    actions: ['record']
  })
  assert.equal(production.triggers[1].forMs, 5000)
  assert.equal(production.triggers[2].forMs, 0)
  assert.equal(quick.triggers[0].forMs, 3000)
})

test('start() goes before the environment, that before the config file, that before the preset', (t) => {
  const directory = makeDirectory(t)
  fs.writeFileSync(path.join(directory, 'leakprobe.config.json'),
    JSON.stringify({ preset: 'test', windowMs: 2000, tickMs: 100, maxRoutes: 10, directory: 'from-file' }))
  const env = {
    LEAKPROBE_WINDOW_MS: '3000', LEAKPROBE_TICK_MS: '200', LEAKPROBE_DIRECTORY: 'false', LEAKPROBE_WITHOUT: 'native-gc, timer-hooks', LEAKPROBE_TRIGGERS: 'false', LEAKPROBE_UNRELATED: 'x', LEAKPROBE_SERVICE: ''
  }

  const options = readOptions({ windowMs: 4000, tickMs: undefined }, { env, cwd: directory })

  assert.equal(options.windowMs, 4000)
  assert.equal(options.tickMs, 200)
  assert.equal(options.maxRoutes, 10)
  assert.equal(options.warmUpMs, 2000)
  assert.equal(options.directory, false)
  assert.deepEqual(options.without, ['native-gc', 'timer-hooks'])
  assert.deepEqual(options.triggers, [])
})

test('a wrong value from the environment or the config file says where it comes from', (t) => {
  const directory = makeDirectory(t)
  fs.writeFileSync(path.join(directory, 'other.json'), '{ "tickMs": "often" }')

  assert.throws(() => readOptions({}, { env: { LEAKPROBE_WINDOW_MS: 'soon' }, cwd: directory }),
    { code: 'LEAKPROBE_ERR_OPTION', option: 'windowMs', source: 'environment variable LEAKPROBE_WINDOW_MS', received: '"soon" (string)' })
  assert.throws(() => readOptions({}, { env: { LEAKPROBE_TRIGGERS: '[' }, cwd: directory }), { code: 'LEAKPROBE_ERR_OPTION', expected: 'JSON' })
  assert.throws(() => readOptions({}, { env: { LEAKPROBE_CONFIG: 'other.json' }, cwd: directory }),
    { code: 'LEAKPROBE_ERR_OPTION', option: 'tickMs', source: `config file ${path.join(directory, 'other.json')}` })
})

test('a config file that cannot be read or parsed is refused with file, line and column', (t) => {
  const directory = makeDirectory(t)
  const file = path.join(directory, 'leakprobe.config.json')
  const read = (env = {}) => readOptions({}, { env, cwd: directory })

  assert.throws(() => read({ LEAKPROBE_CONFIG: 'missing.json' }), { code: 'LEAKPROBE_ERR_CONFIG_FILE', file: path.join(directory, 'missing.json') })
  fs.writeFileSync(file, '{\n  "tickMs": 100,\n  "windowMs": 5e\n}\n')
  assert.throws(() => read(), { code: 'LEAKPROBE_ERR_CONFIG_FILE', file, line: 3, column: 16 })
  fs.writeFileSync(file, '[]')
  assert.throws(() => read(), { code: 'LEAKPROBE_ERR_CONFIG_FILE', file, line: 1, column: 1 })
  fs.writeFileSync(file, '\uFEFF{ "tickMs": 111 }')
  assert.equal(read().tickMs, 111)
})

test('the place of an error in a JSON text is found', () => {
  const cases = [
    ['', 1, 1, 'a value'],
    ['{', 1, 2, 'a string in double quotes'],
    ['{"a":}', 1, 6, 'a value'],
    ['{"a" 1}', 1, 6, '":"'],
    ['{"a":1 "b":2}', 1, 8, '"," or "}"'],
    ['{"a":1,}', 1, 8, 'a string in double quotes'],
    ['[1,\n2\n,,3]', 3, 2, 'a value'],
    ['{\n // no\n}', 2, 2, 'a string in double quotes'],
    ['{"a":"x\ny"}', 1, 6, 'a string in double quotes'],
    ['{} {}', 1, 4, 'the end of the file'],
    ['nul', 1, 1, 'a value']
  ]
  for (const [text, line, column, expected] of cases) {
    const found = findJsonError(text)
    assert.throws(() => JSON.parse(text))
    assert.deepEqual([found.line, found.column], [line, column], JSON.stringify(text))
    assert.ok(found.reason.startsWith(`expected ${expected}, received`), `${JSON.stringify(text)}: ${found.reason}`)
  }
})

test('serve is a port or an object, and comes out complete', () => {
  const read = (serve, env = {}) => readOptions({ serve }, { env, cwd: '/' }).serve
  const standard = { port: 9464, host: '127.0.0.1', token: null, hosts: [], heapSnapshots: false }

  assert.equal(read(undefined), false)
  assert.equal(read(false), false)
  assert.deepEqual(read(9464), standard)
  assert.deepEqual(read({ port: 9464, host: 'localhost' }), standard)
  assert.equal(read({ port: 0, host: '::1' }).host, '::1')
  const open = { port: 1, host: '0.0.0.0', token: '0123456789abcdef', hosts: ['app.internal'], heapSnapshots: true }
  assert.deepEqual(read(open), open)
  assert.deepEqual(read(undefined, { LEAKPROBE_SERVE: '9464' }), standard)
  assert.equal(read(undefined, { LEAKPROBE_SERVE: 'false' }), false)
  assert.deepEqual(read(undefined, { LEAKPROBE_SERVE: JSON.stringify(open) }), open)
})

test('a token that is refused is not shown', () => {
  assert.throws(() => readOptions({ serve: { port: 0, token: 'hunter2 hunter2 hunter2' } }, { env: {}, cwd: '/' }),
    (error) => error.option === 'serve.token' && !error.message.includes('hunter2'))
})

test('options given are never changed', () => {
  const given = Object.freeze({ preset: 'test', routes: Object.freeze(['GET /a']), triggers: Object.freeze([Object.freeze({ name: 'one', when: Object.freeze({ type: 'stall', aboveMs: 100 }) })]) })

  const options = readOptions(given, { env: {}, cwd: '/' })

  assert.deepEqual(given.triggers[0], { name: 'one', when: { type: 'stall', aboveMs: 100 } })
  assert.equal(options.triggers[0].forMs, 0)
  assert.ok(Object.isFrozen(options))
})

test('the service is named after the nearest package that has a name, fit for a folder', (t) => {
  const directory = makeDirectory(t)
  const nested = path.join(directory, 'a', 'b')
  fs.mkdirSync(nested, { recursive: true })
  const script = path.join(nested, 'main.js')

  fs.writeFileSync(path.join(directory, 'package.json'), '{ "name": "@scope/my app" }')
  assert.equal(serviceName(script), 'scope-my-app')
  fs.writeFileSync(path.join(nested, 'package.json'), '{ "type": "module" }')
  assert.equal(serviceName(script), 'scope-my-app')
  fs.writeFileSync(path.join(nested, 'package.json'), '{ "name": "inner" }')
  assert.equal(serviceName(script), 'inner')
})

test('the application is where it is also where something else starts it', () => {
  const of = (script, env = {}, cwd = '/srv/app') => mainScript({ script, env, cwd })

  assert.equal(of('/srv/app/bin/www.js'), '/srv/app/bin/www.js')
  assert.equal(of('www.js'), '/srv/app/www.js')
  assert.equal(of(''), '/srv/app/package.json')
  const pm2 = '/usr/lib/node_modules/pm2/lib/ProcessContainer'
  assert.equal(of(`${pm2}Fork.js`, { pm_exec_path: '/srv/app/www.js' }, '/'), '/srv/app/www.js')
  assert.equal(of(`${pm2}.js`, { pm2_env: '{ "pm_exec_path": "/srv/app/www.js" }' }, '/'), '/srv/app/www.js')
  assert.equal(of(`${pm2}.js`, { pm2_env: '{' }), `${pm2}.js`)
  const json = JSON.stringify({ pm_cwd: '/srv/app', LEAKPROBE_TICK_MS: 500, LEAKPROBE_SERVICE: 'shop', axm_options: {}, watch: false })
  const variables = (script) => environment({ script, env: { PATH: '/bin', pm2_env: json } })
  assert.deepEqual(variables(`${pm2}.js`), { PATH: '/bin', pm2_env: json, pm_cwd: '/srv/app', LEAKPROBE_TICK_MS: '500', LEAKPROBE_SERVICE: 'shop', watch: 'false' })
  assert.equal(workingDirectory({ script: `${pm2}.js`, env: { pm2_env: json } }), '/srv/app')
  assert.equal(workingDirectory({ script: '/srv/app/www.js', env: { pm2_env: json } }), process.cwd())
  assert.deepEqual(variables('/srv/app/www.js'), { PATH: '/bin', pm2_env: json })
  assert.equal(of('/srv/app/node_modules/next/dist/bin/next'), '/srv/app/package.json')
  assert.equal(of('/srv/node_modules/tsx/dist/cli.mjs', {}, '/srv/packages/web'), '/srv/packages/web/package.json')
  assert.equal(of('/usr/lib/node_modules/verdaccio/bin/verdaccio'), '/usr/lib/node_modules/verdaccio/bin/verdaccio')
  assert.equal(of('/srv/application/node_modules/x/y.js'), '/srv/application/node_modules/x/y.js')
})
