'use strict'

// npm run bench:history: what a month of 60 routes takes on disk, how long a week of one route takes to read, and what a
// second costs to write. Exits with 1 when a goal is missed.

const { execFileSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')

const ROOT = path.join(__dirname, '..')
const MOST_BYTES = 100e6
const MOST_WEEK_MS = 50

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'leakprobe-history-'))
try {
  const args = ['run', '--release', '--quiet', '--package', 'leakprobe-history', '--example', 'month', '--', directory]
  const found = JSON.parse(execFileSync('cargo', args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }))
  const goals = [
    [`${found.routes} routes, ${found.days} days`, `${((found.bytes + found.logBytes) / 1e6).toFixed(1)} MB`, `below ${MOST_BYTES / 1e6} MB`, found.bytes + found.logBytes < MOST_BYTES],
    ['a week of minutes of one route, opening included', `${found.weekMs.median} ms, ${found.weekMs.max} ms at most`, `within ${MOST_WEEK_MS} ms`, found.weekMs.median <= MOST_WEEK_MS],
    ['writing a second of all routes', `${found.secondMs.median} ms, p99 ${found.secondMs.p99} ms, ${found.secondMs.max} ms at most`, '', true]
  ]
  process.stdout.write(`${os.cpus()[0]?.model ?? 'unknown CPU'}, ${os.availableParallelism()} cores\n`)
  for (const [what, value, goal, met] of goals) process.stdout.write(`${met ? '✓' : '✗'} ${what}: ${value}${goal ? ` (${goal})` : ''}\n`)
  process.exitCode = goals.every(([, , , met]) => met) ? 0 : 1
} finally {
  fs.rmSync(directory, { recursive: true, force: true })
}
