'use strict'

// npm run ready: everything that has to hold before a change goes in; what CI runs. All checks run, also after one failed.

const path = require('node:path')
const { setupOrExit } = require('./setup.js')
const { runStep } = require('./setup/step.js')

const ROOT = path.join(__dirname, '..')

const step = (title, command, args, env, cwd = ROOT) => ({
  name: title,
  run: () => runStep({ title, command, args, cwd, env: { ...process.env, ...env } })
})

/** In order of cost, so that a slip shows early. Each is a name and a function that rejects with the reason. */
const CHECKS = [
  step('Rust: format', 'cargo', ['fmt', '--all', '--check']),
  require('./ready/lock-files.js'),
  require('./ready/file-lengths.js'),
  require('./ready/documents.js'),
  require('./ready/options.js'),
  require('./ready/machine-paths.js'),
  require('./ready/vendored.js'),
  require('./ready/layers-js.js'),
  require('./ready/layers-rust.js'),
  require('./ready/types.js'),
  step('Rust: lints', 'cargo', ['clippy', '--workspace', '--all-targets', '--', '-D', 'warnings']),
  step('Rust: documentation', 'cargo', ['doc', '--workspace', '--no-deps', '--document-private-items'], { RUSTDOCFLAGS: '-D warnings' }),
  step('fuzzing, five seconds each', 'cargo', ['run', '--release', '--locked', '--', 'all', '5'], {}, path.join(ROOT, 'fuzz')),
  require('./ready/generated.js'),
  require('./ready/tests.js')
]

async function main () {
  await setupOrExit({ nodes: true })
  const results = []
  for (const { name, run } of CHECKS) {
    const started = Date.now()
    let reason
    try {
      await run(ROOT)
    } catch (error) {
      reason = error.message
      process.stderr.write(`${reason}\n`)
    }
    results.push({ name, reason, seconds: (Date.now() - started) / 1000 })
  }
  const width = Math.max(...results.map(({ name }) => name.length))
  process.stdout.write('\n')
  for (const { name, reason, seconds } of results) {
    process.stdout.write(`${reason === undefined ? '✓' : '✗'} ${name.padEnd(width)}  ${seconds.toFixed(1).padStart(6)} s\n`)
  }
  process.exitCode = results.every(({ reason }) => reason === undefined) ? 0 : 1
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`)
  process.exitCode = 1
})
