'use strict'

// npm run test:faults: builds the addon with faults that tests can arm, and runs every test of broken machines and endings.

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { setupOrExit } = require('./setup.js')
const { runStep } = require('./setup/step.js')

const ROOT = path.join(__dirname, '..')
const TARGET = path.join(ROOT, 'target')
const FILES = ['faults', 'faults-combined', 'panics', 'refusals', 'stress', 'hosts']
const ROUNDS = '42'
const LIBRARY = { darwin: 'libleakprobe.dylib', win32: 'leakprobe.dll' }[process.platform] ?? 'libleakprobe.so'

async function main () {
  await setupOrExit({ nodes: true })
  await runStep({ title: 'building the addon with faults', command: 'cargo', args: ['build', '--features', 'faults', '--target-dir', TARGET], cwd: ROOT })
  fs.mkdirSync(path.join(TARGET, 'faults'), { recursive: true })
  fs.copyFileSync(path.join(TARGET, 'debug', LIBRARY), path.join(TARGET, 'faults', 'leakprobe.node'))
  const { status } = spawnSync(process.execPath, [path.join(__dirname, 'test.js'), '--only', 'js', '--file', FILES.join(), ...process.argv.slice(2)], { cwd: ROOT, stdio: 'inherit', env: { ...process.env, FAULT_ROUNDS: ROUNDS } })
  process.exitCode = status ?? 1
}

main().catch((error) => {
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
})
