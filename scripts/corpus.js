'use strict'

// Runs every server of a leak corpus with and without `--require leakprobe/register` and compares what it does: answers,
// stderr, the way it ends on SIGTERM, and the route templates against the corpus' own list.
//
//   node scripts/corpus.js [--corpus DIR] [--case a,b] [--requests 200] [--node PATH] [--json FILE]
//
// The corpus is a folder with drive.mjs and cases/<name>/{case.json,app.js}; its packages are installed into
// $LEAKBENCH_CACHE. Not part of `npm test`: it installs some hundred packages.

const { spawn, spawnSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { parseArgs } = require('node:util')

const root = path.join(__dirname, '..')
const { values: options } = parseArgs({
  options: {
    corpus: { type: 'string', default: path.join(root, '..', 'shared', 'leakbench') },
    case: { type: 'string', default: 'all' },
    requests: { type: 'string', default: '200' },
    node: { type: 'string', default: process.execPath },
    json: { type: 'string' }
  }
})
const cache = process.env.LEAKBENCH_CACHE ?? path.join(os.tmpdir(), 'leakbench-cache')
const register = path.join(root, 'register.js')
const cases = path.join(options.corpus, 'cases')
const names = options.case === 'all' ? fs.readdirSync(cases).sort() : options.case.split(',')

function drive (name, variant, env, preload) {
  const args = [path.join(options.corpus, 'drive.mjs'), '--case', name, '--variant', variant, '--no-meter', '--verbose',
    '--mode', 'mix', '--requests', options.requests, '--node', options.node, ...preload]
  const run = spawnSync(process.execPath, args, { env: { ...process.env, LEAKBENCH_CACHE: cache, ...env }, encoding: 'utf8', timeout: 300_000 })
  const line = run.stdout.trim().split('\n').pop()
  let result
  try { result = JSON.parse(line) } catch { result = { error: `no result: ${run.stdout.slice(-200)} ${run.stderr.slice(-500)}` } }
  return { error: result.error, bad: result.variants?.[variant]?.bad ?? {}, requests: result.variants?.[variant]?.requests, stderr: steady(run.stderr) }
}

// What differs from run to run by itself: process ids, ports, durations and order of lines.
function steady (text) {
  return [...new Set(text.split('\n').map((line) => line.replace(/\d+/g, '#').trim()).filter(Boolean))].sort()
}

function runDirectory (name, variant) {
  for (const entry of fs.readdirSync(cache)) {
    const directory = path.join(cache, entry, 'run', `${name}-${variant}`)
    if (fs.existsSync(path.join(directory, 'app.js'))) return directory
  }
  throw new Error(`${name}/${variant} is not in ${cache}`)
}

function endOf (name, variant, env, preload) {
  return new Promise((resolve) => {
    const cwd = runDirectory(name, variant)
    const child = spawn(options.node, [...preload, 'app.js'], { cwd, env: { ...process.env, NODE_ENV: 'production', PORT: '0', VARIANT: variant, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    const guard = setTimeout(() => child.kill('SIGKILL'), 20_000)
    child.stdout.on('data', (chunk) => {
      output += chunk
      if (output.includes('listening')) child.kill('SIGTERM')
    })
    child.stderr.on('data', (chunk) => { output += chunk })
    child.on('close', (code, signal) => {
      clearTimeout(guard)
      resolve({ code, signal, output: steady(output) })
    })
  })
}

async function compare (name, variant, expected) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'leakprobe-corpus-'))
  const env = { LEAKPROBE_DIRECTORY: directory, LEAKPROBE_PRESET: 'test', LEAKPROBE_REPORT_FILE: path.join(directory, 'report.json') }
  const plain = drive(name, variant, {}, [])
  const probed = drive(name, variant, env, ['--preload', register])
  const report = fs.existsSync(env.LEAKPROBE_REPORT_FILE) ? JSON.parse(fs.readFileSync(env.LEAKPROBE_REPORT_FILE, 'utf8')) : null
  const ends = [await endOf(name, variant, {}, []), await endOf(name, variant, env, ['--require', register])]
  const statsRoutes = report?.routes.map((route) => route.route) ?? []
  fs.rmSync(directory, { recursive: true, force: true })

  const faults = []
  const differ = (what, a, b) => { if (JSON.stringify(a) !== JSON.stringify(b)) faults.push(`${what}: without ${JSON.stringify(a)}, with ${JSON.stringify(b)}`) }
  if (plain.error || probed.error) faults.push(`run: ${plain.error ?? ''} | ${probed.error ?? ''}`)
  differ('failed answers', plain.bad, probed.bad)
  differ('stderr', plain.stderr, probed.stderr)
  differ('end', ends[0], ends[1])
  differ('routes', [...expected].sort(), [...statsRoutes].sort())
  return { case: name, variant, ok: faults.length === 0, faults, routes: statsRoutes }
}

async function main () {
  const results = []
  for (const name of names) {
    const file = JSON.parse(fs.readFileSync(path.join(cases, name, 'case.json'), 'utf8'))
    for (const variant of ['leaky', 'control'].filter((key) => file.packages[key])) {
      const result = await compare(name, variant, file.routes)
      results.push(result)
      console.log(`${result.ok ? 'ok  ' : 'FAIL'} ${name} ${variant}${result.faults.map((fault) => `\n     ${fault}`).join('')}`)
    }
  }
  const failed = results.filter((result) => !result.ok).length
  if (options.json) fs.writeFileSync(options.json, JSON.stringify(results, null, 1))
  console.log(`${results.length - failed} passed, ${failed} failed`)
  process.exitCode = failed ? 1 : 0
}

main()
