'use strict'

// npm run test:valgrind: a short life of a probe under valgrind's memcheck. An error counts when a frame of it is in the addon:
// V8's own garbage-collected memory is full of what looks like one. A run takes some minutes.

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { parseArgs } = require('node:util')
const { setupOrExit } = require('./setup.js')
const { runStep } = require('./setup/step.js')
const { nodeBinaries } = require('./setup/nodes.js')
const { errorsIn } = require('./valgrind/errors.js')

const ROOT = path.join(__dirname, '..')
const SCENARIO = path.join(__dirname, 'valgrind', 'scenario.js')
const LIMIT_MS = 30 * 60_000
const TARGET = path.join(ROOT, 'target', 'valgrind')
const ADDON = path.join(TARGET, 'leakprobe.node')
// Code that V8 writes is read as data before it runs; undefined values come from its conservative stack scanning.
const OPTIONS = ['--smc-check=all-non-file', '--leak-check=full', '--show-leak-kinds=definite', '--child-silent-after-fork=yes', '--num-callers=30', '--xml=yes']

async function main () {
  const { values: { node } } = parseArgs({ options: { node: { type: 'string' } } })
  if (spawnSync('valgrind', ['--version']).status !== 0) throw new Error('valgrind was not found on the PATH; on Debian or Ubuntu: apt-get install valgrind')
  await setupOrExit({ nodes: true })
  const binary = node === undefined ? process.execPath : nodeBinaries().find(({ major }) => String(major) === node)?.binary
  if (binary === undefined) throw new Error(`--node: expected one of ${nodeBinaries().map(({ major }) => major).join(', ')}, received ${node}`)
  await build()
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'leakprobe-valgrind-'))
  const xml = path.join(folder, 'errors.xml')
  // The interpreter alone: what V8 compiles costs valgrind a translation each time.
  const { status, signal, stdout, stderr } = spawnSync('valgrind', [...OPTIONS, `--xml-file=${xml}`, binary, '--jitless', '--single-threaded', SCENARIO, folder], {
    cwd: ROOT, encoding: 'utf8', timeout: LIMIT_MS, env: { ...process.env, NAPI_RS_NATIVE_LIBRARY_PATH: ADDON }
  })
  const { all, ours } = errorsIn(fs.readFileSync(xml, 'utf8'))
  fs.rmSync(folder, { recursive: true, force: true })
  if (status !== 0) throw new Error(`the scenario ended with ${signal ?? status}\n${stdout}${stderr}`)
  process.stdout.write(`${stdout}${all} errors, ${ours.length} of them with a frame in the addon\n`)
  for (const error of ours) process.stdout.write(`\n${error}\n`)
  process.exitCode = ours.length === 0 ? 0 : 1
}

// With names of functions. rustix asks the kernel where the vDSO is, which valgrind has hidden from the process: by libc it does not.
async function build () {
  const env = { ...process.env, RUSTFLAGS: '--cfg=rustix_use_libc' }
  await runStep({ title: 'building the addon for valgrind', command: 'cargo', args: ['build', '--target-dir', TARGET], cwd: ROOT, env })
  fs.copyFileSync(path.join(TARGET, 'debug', 'libleakprobe.so'), ADDON)
}

main().catch((error) => {
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
})
