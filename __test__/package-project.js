'use strict'

// An empty project outside the clone, with a PATH on which there is Node.js and nothing else.

const assert = require('node:assert/strict')
const { execFileSync, spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { makeDirectory } = require('./helper.js')

const ROOT = path.join(__dirname, '..')

// Serves five requests to itself, and tells what the probe made of them.
const APP = `
async function run (start) {
  const { createServer } = await import('node:http')
  const probe = start({ directory: false, preset: 'test' })
  const native = probe.report().process.capabilities.native.state
  const byRegister = process[Symbol.for('leakprobe.running')].byRegister
  const server = createServer((request, response) => response.end('hello')).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  for (let i = 0; i < 5; i++) await (await fetch('http://127.0.0.1:' + server.address().port + '/hello')).text()
  const count = () => probe.stats().routes.find(({ route }) => route === 'GET /hello')?.requests ?? 0
  const before = Date.now()
  while (native === 'native' && count() < 5 && Date.now() - before < 15000) await new Promise((resolve) => setTimeout(resolve, 10))
  console.log(JSON.stringify({ native, requests: count(), byRegister }))
  await probe.stop()
  process.exit(0)
}
`
const TYPES = `
const probe = start({ directory: false, without: ['native'] })
const state: 'native' | 'fallback' | 'off' | 'absent' | undefined = probe.report().process.capabilities.native?.state
const done: Promise<void> = probe.stop()
export { done, state, version }
`
const FILES = {
  'package.json': '{ "name": "empty", "version": "1.0.0", "private": true }\n',
  'app.cjs': `const { start } = require('leakprobe')\n${APP}\nrun(start)\n`,
  'app.mjs': `import leakprobe, { start, version } from 'leakprobe'\n${APP}\nif (leakprobe.start === start && version === leakprobe.version) run(start)\n`,
  'imports-register.mjs': `import 'leakprobe/register'\nimport { start } from 'leakprobe'\n${APP}\nrun(start)\n`,
  'types.cts': `import { start, version } from 'leakprobe'\n${TYPES}`,
  'types.mts': `import 'leakprobe/register'\nimport { start, version } from 'leakprobe'\n${TYPES}`
}

/** A project of the files above; gone after the test. */
function makeProject (t) {
  const folder = makeDirectory(t)
  const bin = path.join(folder, 'bin-of-node')
  fs.mkdirSync(bin)
  fs.symlinkSync(process.execPath, path.join(bin, 'node'))
  for (const [name, text] of Object.entries(FILES)) fs.writeFileSync(path.join(folder, name), text)
  const env = { PATH: bin, HOME: folder, npm_config_cache: path.join(folder, 'cache'), npm_config_update_notifier: 'false', npm_config_audit: 'false', npm_config_fund: 'false' }
  return { folder, env }
}

/** Runs npm in the project by the Node.js under test. */
function npm ({ folder, env }, args) {
  const found = process.env.PATH.split(path.delimiter).map((directory) => path.join(directory, 'npm')).find((file) => fs.existsSync(file))
  return execFileSync(process.execPath, [fs.realpathSync(found), ...args], { cwd: folder, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

/** Runs node in the project; what the app told, and standard error. */
function inProject ({ folder, env }, args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: folder, env, encoding: 'utf8', timeout: 60_000 })
  assert.equal(status, 0, `${args.join(' ')}: ${stderr}`)
  return { told: JSON.parse(stdout), stderr }
}

module.exports = { inProject, makeProject, npm, ROOT }
