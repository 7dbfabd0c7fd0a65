'use strict'

// A probe inside Jest and Vitest: tests that start one, stop it or forget to, end as without it.

const assert = require('node:assert/strict')
const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { test } = require('node:test')
const { makeDirectory } = require('../helper.js')

const INDEX = path.join(__dirname, '..', '..', 'index.js')
const MODULES = path.join(__dirname, 'node_modules')
const BODY = (stops) => `
  test('requests are counted', async () => {
    const probe = start({ directory: false, preset: 'test', triggers: false })
    const server = http.createServer((request, response) => response.end('hello'))
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
    for (let i = 0; i < 5; i++) await new Promise((resolve, reject) => http.get({ port: server.address().port, path: '/hello', agent: false }, (response) => response.resume().once('end', resolve)).once('error', reject))
    while ((probe.stats().routes.find(({ route }) => route === 'GET /hello')?.requests ?? 0) < 5) await new Promise((resolve) => setTimeout(resolve, 5))
    expect(probe.report().process.capabilities.native.state).toBe('native')
    await new Promise((resolve) => server.close(resolve))
    ${stops ? 'await probe.stop()' : ''}
  })
`

const RUNNERS = [
  { name: 'Jest', bin: ['jest', 'bin', 'jest.js'], args: ['--runInBand'], head: `const http = require('node:http')\nconst { start } = require(${JSON.stringify(INDEX)})\n`, suffix: 'test.js' },
  { name: 'Jest, in workers', bin: ['jest', 'bin', 'jest.js'], args: ['--maxWorkers=2'], head: `const http = require('node:http')\nconst { start } = require(${JSON.stringify(INDEX)})\n`, suffix: 'test.js' },
  { name: 'Vitest', bin: ['vitest', 'vitest.mjs'], args: ['run', '--pool=forks'], head: `import http from 'node:http'\nimport { expect, test } from 'vitest'\nimport { start } from ${JSON.stringify(INDEX)}\n`, suffix: 'test.mjs' }
]

for (const { name, bin, args, head, suffix } of RUNNERS) {
  test(`${name}: tests with a probe pass, also where it is not stopped, and the runner ends`, { timeout: 180_000 }, (t) => {
    const folder = makeDirectory(t)
    fs.writeFileSync(path.join(folder, 'package.json'), '{ "name": "runner", "private": true }')
    fs.symlinkSync(MODULES, path.join(folder, 'node_modules'))
    for (const one of ['first', 'second', 'third']) fs.writeFileSync(path.join(folder, `${one}.${suffix}`), head + BODY(one !== 'third'))

    const { status, signal, stdout, stderr } = spawnSync(process.execPath, [path.join(MODULES, ...bin), ...args], {
      cwd: folder, encoding: 'utf8', timeout: 150_000, env: { PATH: process.env.PATH, HOME: folder, CI: 'true' }
    })

    assert.deepEqual([status, signal], [0, null], stdout + stderr)
    assert.match(stdout + stderr, /3 passed/)
    assert.doesNotMatch(stdout + stderr, /did not exit|leakprobe is not running/)
  })
}
