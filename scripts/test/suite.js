'use strict'

// Runs one test runner, shows its output as it comes, and counts from the summaries that it prints.

const { spawn } = require('node:child_process')

const LIMIT_MS = 15 * 60_000

/**
 * A suite that is not through after 15 minutes is ended with all that it has started, and has failed.
 *
 * @param {{ name: string, command: string, args: string[], cwd: string, summary: 'cargo' | 'node', limitMs?: number, show?: (text: string) => void }} suite
 * @returns {Promise<{ name: string, passed: number, failed: number, skipped: number, seconds: number, failures: string }>}
 */
function runSuite ({ name, command, args, cwd, summary, limitMs = LIMIT_MS, show = (text) => process.stdout.write(text) }) {
  show(`\n── ${name} ──\n`)
  const started = Date.now()
  const child = spawn(command, args, { cwd, env: environment(), stdio: ['ignore', 'pipe', 'inherit'], detached: true })
  const release = endsWithItsGroup(child, limitMs)
  let output = ''
  child.stdout.setEncoding('utf8')
  child.stdout.on('data', (text) => {
    output += text
    show(text)
  })
  return new Promise((resolve) => {
    const end = (code, problem) => {
      release()
      const counts = summary === 'cargo' ? countCargo(output) : countNode(output)
      // A runner that fails without naming a test has failed all the same.
      if (code !== 0 && counts.failed === 0) {
        show(`${name}: ${problem}\n`)
        counts.failed = 1
      }
      const failures = summary === 'cargo' ? cargoFailures(output) : nodeFailures(output)
      resolve({ name, ...counts, failures, seconds: Math.round((Date.now() - started) / 1000) })
    }
    child.once('error', (error) => end(1, error.message))
    child.once('close', (code, signal) => end(code, `${command} ended with ${signal ?? `code ${code}`}`))
  })
}

// The runner leads a process group of its own, so that nothing of what its tests have started outlives it.
function endsWithItsGroup (child, limitMs) {
  const kill = (signal) => {
    try {
      process.kill(-child.pid, signal)
    } catch {} // it has ended
  }
  const signals = ['SIGINT', 'SIGTERM']
  const forward = (signal) => {
    kill(signal)
    process.exit(1)
  }
  for (const signal of signals) process.on(signal, forward)
  const timer = setTimeout(() => kill('SIGKILL'), limitMs)
  // Whatever its tests left behind would keep its output open.
  child.once('exit', () => kill('SIGKILL'))
  return () => {
    clearTimeout(timer)
    for (const signal of signals) process.off(signal, forward)
  }
}

// Settings of the shell must not change what is tested; a test runner inside a test runner would report to the outer one.
function environment () {
  const foreign = (name) => name.startsWith('LEAKPROBE_') || name === 'NODE_TEST_CONTEXT' || name === 'NODE_OPTIONS'
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign(name)))
}

// One line per test binary: `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
function countCargo (output) {
  const counts = { passed: 0, failed: 0, skipped: 0 }
  for (const [, passed, failed, ignored] of output.matchAll(/^test result: .*?(\d+) passed; (\d+) failed; (\d+) ignored/gm)) {
    counts.passed += Number(passed)
    counts.failed += Number(failed)
    counts.skipped += Number(ignored)
  }
  return counts
}

// The lines at the end of the spec reporter: `ℹ pass 3`.
function countNode (output) {
  const last = (word) => Number([...output.matchAll(new RegExp(`^ℹ ${word} (\\d+)$`, 'gm'))].at(-1)?.[1] ?? 0)
  return { passed: last('pass'), failed: last('fail') + last('cancelled'), skipped: last('skipped') + last('todo') }
}

const FAILURE_LINES = 80

// What a runner says of its failures stands far above the end of a long run, so it is told again there. The spec reporter's
// list comes last; cargo prints `failures:` twice per test binary, with the outputs first.
function nodeFailures (output) {
  return shortened(output.split('\n✖ failing tests:\n').slice(1))
}

function cargoFailures (output) {
  return shortened([...output.matchAll(/^failures:\n\n(---- [^]*?)\n\nfailures:\n/gm)].map(([, text]) => text))
}

function shortened (parts) {
  const lines = parts.join('\n').trim().split('\n')
  return [...lines.slice(0, FAILURE_LINES), ...(lines.length > FAILURE_LINES ? [`… ${lines.length - FAILURE_LINES} lines more above`] : [])].join('\n')
}

module.exports.cargoFailures = cargoFailures
module.exports.countCargo = countCargo
module.exports.countNode = countNode
module.exports.nodeFailures = nodeFailures
module.exports.runSuite = runSuite
