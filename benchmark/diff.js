'use strict'

// npm run bench:diff: whether a comparison of two heap snapshots of a leaking server names what grows, with its kind, in its first
// rows. The servers and their traffic are those of the corpus; the heap snapshots are V8's own. It depends on no timing.

const { execFileSync, spawnSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { parseArgs } = require('node:util')
const { setupOrExit } = require('../scripts/setup.js')
const { judge, kindsOf } = require('./diff/judge.js')

const ROOT = path.join(__dirname, '..')
const WANTED = ['collection', 'listener', 'timer', 'closure']
const ROWS = 3
const GOAL = 0.85
/** Snapshots are taken after these parts of the requests; a warm-up of a third comes before them all. */
const MOMENTS = [0.5, 1.15]
const USAGE = `npm run bench:diff -- [options]
  --corpus DIR    folder with drive.mjs and cases/; default ../shared/leakbench
  --case LIST     cases; default all that leak and are not native
  --requests N    requests of a case at most; default 1500
  --seed N        seed of the traffic; default 1
  --node PATH     node that runs the servers; default the one that runs this
  --keep DIR      keep the heap snapshots there
  --json FILE     also write every result there
The corpus' packages are installed into $LEAKBENCH_CACHE, by default in the folder for temporary files.
`

async function main () {
  const options = readOptions()
  await setupOrExit({ nodes: false })
  const results = []
  for (const corpusCase of options.cases) {
    const result = run(corpusCase, options)
    results.push(result)
    const { ok, name, kind, place, why, row } = result
    const told = ok ? `row ${place}: ${row.kind}, +${row.more} ${row.class}, ${row.package ?? row.file ?? ''}` : why
    process.stdout.write(`${ok ? 'ok  ' : 'FAIL'} ${name} (${kind})  ${told}\n`)
  }
  const right = results.filter(({ ok }) => ok).length
  const named = results.filter(({ named }) => named).length
  process.stdout.write(`\nnamed with the right kind in the first ${ROWS} rows: ${right} of ${results.length} (${percent(right / results.length)}); named: ${named}; goal ${percent(GOAL)}\n`)
  if (options.json !== undefined) fs.writeFileSync(options.json, `${JSON.stringify({ schema: 'leakprobe.bench.diff/1', results }, null, 2)}\n`)
  process.exitCode = right / results.length >= GOAL ? 0 : 1
}

function run (corpusCase, { corpus, requests, seed, node, keep }) {
  const { name, kind, drive } = corpusCase
  const folder = keep === undefined ? fs.mkdtempSync(path.join(os.tmpdir(), 'leakprobe-bench-diff-')) : path.join(keep, name)
  fs.mkdirSync(folder, { recursive: true })
  const most = Math.min(requests, drive?.requests ?? requests)
  const files = MOMENTS.map((_, index) => path.join(folder, `${index + 1}.heapsnapshot`))
  try {
    if (!files.every(fs.existsSync)) {
      const env = { ...process.env, LEAKPROBE_BENCH_FOLDER: folder, LEAKPROBE_BENCH_MOMENTS: MOMENTS.map((part) => Math.round(part * most)).join(',') }
      const args = ['drive.mjs', '--case', name, '--variant', 'leaky', '--no-meter', '--mode', 'mix', '--requests', `${most}`, '--seed', `${seed}`, '--node', node, '--preload', path.join(__dirname, 'diff', 'snapshots.cjs')]
      const { stdout } = spawnSync(process.execPath, args, { cwd: corpus, env, encoding: 'utf8', maxBuffer: 1 << 28 })
      const failed = stdout.trim().split('\n').at(-1)
      if (!files.every(fs.existsSync)) return { name, kind, named: false, ok: false, why: `no heap snapshots: ${JSON.parse(failed || '{}').error ?? 'too few requests'}` }
    }
    const text = execFileSync(process.execPath, [path.join(ROOT, 'bin.js'), 'diff', ...files, '--rows', `${ROWS}`, '--json'], { encoding: 'utf8', maxBuffer: 1 << 28 })
    return { name, kind, ...judge(corpusCase, JSON.parse(text).growth) }
  } finally {
    if (keep === undefined) fs.rmSync(folder, { recursive: true, force: true })
  }
}

function readOptions () {
  let values
  try {
    ({ values } = parseArgs({ options: { corpus: { type: 'string', default: path.join(ROOT, '..', 'shared', 'leakbench') }, case: { type: 'string', default: 'all' }, requests: { type: 'string', default: '1500' }, seed: { type: 'string', default: '1' }, node: { type: 'string', default: process.execPath }, keep: { type: 'string' }, json: { type: 'string' }, help: { type: 'boolean' } } }))
  } catch (error) {
    exit(`${error.message}\n\n${USAGE}`, 2)
  }
  if (values.help) exit(USAGE, 0)
  const requests = Number(values.requests)
  const folder = path.join(values.corpus, 'cases')
  if (!(requests >= 100) || !fs.existsSync(folder)) exit(`${requests >= 100 ? `no corpus in ${values.corpus}` : 'requests: expected 100 or more'}\n\n${USAGE}`, 2)
  const all = fs.readdirSync(folder).sort().map((name) => JSON.parse(fs.readFileSync(path.join(folder, name, 'case.json'), 'utf8')))
  const wanted = all.filter((one) => one.leaky_routes.length > 0 && kindsOf(one).some((kind) => WANTED.includes(kind)))
  const names = values.case === 'all' ? undefined : values.case.split(',')
  return { ...values, requests, cases: wanted.filter(({ name }) => names?.includes(name) ?? true) }
}

function exit (text, code) {
  process[code === 0 ? 'stdout' : 'stderr'].write(text)
  process.exit(code)
}

function percent (share) {
  return `${Math.round(share * 100)} %`
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`)
  process.exitCode = 1
})
