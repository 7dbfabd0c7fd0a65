'use strict'

const assert = require('node:assert/strict')
const fs = require('node:fs')
const path = require('node:path')
const { spawn } = require('node:child_process')
const { once } = require('node:events')
const { pathToFileURL } = require('node:url')
const { test } = require('node:test')
const { endAfter, makeDirectory, request, until } = require('./helper.js')

const ROOT = path.join(__dirname, '..')
const REGISTER = path.join(ROOT, 'register.js')
const SERVER = path.join(__dirname, 'fixtures', 'server.js')

/** Runs the fixture; resolves with its port and what it has printed so far. */
async function run (t, args, { env = {}, cwd = makeDirectory(t), script = SERVER } = {}) {
  const child = spawn(process.execPath, [...args, script], {
    cwd, env: { ...process.env, LEAKPROBE_DIRECTORY: path.join(cwd, 'evidence'), LEAKPROBE_PRESET: 'test', ...env }, stdio: ['ignore', 'pipe', 'pipe']
  })
  endAfter(t, child)
  const seen = { child, stdout: '', stderr: '', closed: once(child, 'close') }
  child.stdout.on('data', (chunk) => { seen.stdout += chunk })
  child.stderr.on('data', (chunk) => { seen.stderr += chunk })
  await until(() => seen.stdout.includes('\n') || child.exitCode !== null, 'the server listens')
  seen.port = Number(seen.stdout)
  assert.ok(seen.port > 0, seen.stderr)
  return seen
}

const ask = async ({ port }, what) => JSON.parse((await request(port, what)).body)

async function exit (seen) {
  await request(seen.port, '/exit')
  const [code] = await seen.closed
  return code
}

for (const [how, args] of [['--require', ['--require', REGISTER]], ['--import', ['--import', pathToFileURL(REGISTER).href]]]) {
  test(`with ${how} the requests of an application are counted, its exit code and output are its own`, async (t) => {
    const seen = await run(t, args)

    for (let i = 0; i < 10; i++) assert.equal((await request(seen.port, '/hello')).body, 'hello')
    await until(async () => (await ask(seen, '/stats')).routes.find(({ route }) => route === 'GET /hello')?.requests === 10)

    assert.equal(await exit(seen), 7)
    assert.equal(seen.stderr, '')
    assert.equal(seen.stdout, `${seen.port}\n`)
  })
}

test('loaded twice, by both ways, there is one probe and no word of it', async (t) => {
  const seen = await run(t, ['--require', REGISTER, '--import', pathToFileURL(REGISTER).href, '--require', path.join(ROOT, 'index.js')])

  assert.equal((await request(seen.port, '/start')).body, 'started')
  assert.equal(await exit(seen), 7)
  assert.equal(seen.stderr, '')
})

for (const [what, env, code, words] of [
  ['a wrong option', { LEAKPROBE_WINDOW_MS: 'soon' }, 'LEAKPROBE_ERR_OPTION', /option windowMs \(environment variable LEAKPROBE_WINDOW_MS\)/],
  ['a missing config file', { LEAKPROBE_CONFIG: 'missing.json' }, 'LEAKPROBE_ERR_CONFIG_FILE', /missing\.json/]
]) {
  test(`with ${what} one warning with its code is emitted, and the application runs without a probe`, async (t) => {
    const seen = await run(t, ['--require', REGISTER], { env })

    assert.equal((await request(seen.port, '/hello')).body, 'hello')
    assert.equal(await exit(seen), 7)
    assert.equal(seen.stderr.match(new RegExp(`\\[${code}\\] LeakprobeWarning`, 'g'))?.length, 1, seen.stderr)
    assert.match(seen.stderr, words)
  })
}

test('a config file with a syntax error is told with its line, and the application runs', async (t) => {
  const cwd = makeDirectory(t)
  fs.writeFileSync(path.join(cwd, 'leakprobe.config.json'), '{\n  "tickMs": 100,\n}\n')

  const seen = await run(t, ['--require', REGISTER], { cwd })

  assert.equal(await exit(seen), 7)
  assert.match(seen.stderr, /LEAKPROBE_ERR_CONFIG_FILE.*leakprobe\.config\.json, line 3, column 1: expected a string in double quotes/)
})

test('the config file\'s options are in force', async (t) => {
  const cwd = makeDirectory(t)
  fs.writeFileSync(path.join(cwd, 'leakprobe.config.json'), JSON.stringify({ without: ['timer-hooks'], service: 'from-file' }))

  const seen = await run(t, ['--require', REGISTER], { cwd })

  assert.equal((await ask(seen, '/report')).process.capabilities.timers.state, 'fallback')
  assert.equal(seen.stderr, '')
})

test('a directory that cannot be written to is told in the capabilities, the probe runs without it', async (t) => {
  const seen = await run(t, ['--require', REGISTER], { env: { LEAKPROBE_DIRECTORY: '/proc/nope' } })

  const report = await ask(seen, '/report')
  assert.equal(report.process.capabilities.directory?.state, 'absent', JSON.stringify(report.process.capabilities))
  assert.equal(await exit(seen), 7)
  assert.equal(seen.stderr, '')
})

test('in a worker thread register does nothing, and start() is refused', async (t) => {
  const seen = await run(t, ['--require', REGISTER])

  assert.equal((await request(seen.port, '/worker')).body, 'LEAKPROBE_ERR_WORKER')
  assert.equal(await exit(seen), 7)
  assert.equal(seen.stderr, '')
})

test('package managers and PM2 itself run without a probe', async (t) => {
  const cwd = makeDirectory(t)
  fs.mkdirSync(path.join(cwd, 'pm2', 'lib'), { recursive: true })
  for (const name of ['npm-cli.js', 'npx-cli.js', 'yarn.js', 'pnpm.cjs', 'corepack.js', 'pm2', 'pm2/lib/Daemon.js']) {
    const script = name === 'pm2' ? path.join(cwd, 'pm2', 'pm2') : path.join(cwd, name)
    fs.writeFileSync(script, 'console.log(process[Symbol.for("leakprobe.running")] === undefined ? 1 : 0)')
    await run(t, ['--require', REGISTER], { cwd, script })
  }
})

test('an application that ends by itself is not kept from it', async (t) => {
  const cwd = makeDirectory(t)
  const script = path.join(cwd, 'short.js')
  fs.writeFileSync(script, 'console.log(1)')

  const seen = await run(t, ['--require', REGISTER], { cwd, script })

  assert.deepEqual(await seen.closed, [0, null])
  assert.equal(seen.stderr, '')
})

for (const [what, loader] of [['missing', undefined], ['made for another platform', 'throw new Error("Cannot find native binding")']]) {
  test(`with the addon ${what} the application runs untouched, and one warning says what to do`, async (t) => {
    const copy = makeDirectory(t)
    for (const file of ['index.js', 'register.js', 'package.json', 'lib']) fs.cpSync(path.join(ROOT, file), path.join(copy, file), { recursive: true })
    if (loader !== undefined) fs.writeFileSync(path.join(copy, 'binding.js'), loader)
    const env = { LEAKPROBE_UNDER_TEST: path.join(copy, 'index.js'), NODE_OPTIONS: '' }

    const seen = await run(t, ['--require', path.join(copy, 'register.js')], { env })

    assert.equal((await request(seen.port, '/start')).body, 'started')
    assert.equal((await ask(seen, '/report')).process.capabilities.native.state, 'absent')
    assert.equal((await request(seen.port, '/hello')).body, 'hello')
    assert.equal(await exit(seen), 7)
    assert.equal(seen.stderr.match(/\[LEAKPROBE_ERR_NATIVE\] LeakprobeWarning: leakprobe is not running: the native addon does not load on .*Reinstall leakprobe/g)?.length, 1, seen.stderr)
  })
}
