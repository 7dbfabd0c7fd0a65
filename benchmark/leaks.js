'use strict'

// npm run bench:leaks: leakprobe's verdicts against a corpus of real leaks, case by case, as the corpus' own scorer judges them.
// The server runs with no flags of ours, with `leakprobe/register` preloaded and the preset `test`, and is killed at the end.

const { spawn } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { parseArgs } = require('node:util')
const { setupOrExit } = require('../scripts/setup.js')
const { nodeBinaries } = require('../scripts/setup/nodes.js')
const { keepReport, namesCulprit } = require('./leaks/culprit.js')
const { progressLine } = require('./leaks/progress.js')
const { summarise, table, totals } = require('./leaks/result.js')

const ROOT = path.join(__dirname, '..')
const CACHE = process.env.LEAKBENCH_CACHE ?? path.join(os.tmpdir(), 'leakbench-cache')
const USAGE = `npm run bench:leaks -- [options]
  --corpus DIR      folder with score.mjs and cases/; default ../shared/leakbench
  --case LIST       cases; default all
  --variant WHICH   leaky, control or both; default both
  --seconds N       load for each variant, 5 to 600; default 25
  --seeds LIST      seeds of the traffic; default 1
  --nodes LIST      of ${nodeBinaries().map(({ major }) => major).join(', ')}; default the first
  --json FILE       also write every result there
A variant takes its load and some five seconds; the whole corpus some forty minutes for each seed and Node.js.
The corpus' packages are installed into $LEAKBENCH_CACHE, by default in the folder for temporary files.
`

async function main () {
  const options = readOptions()
  await setupOrExit({ nodes: true })
  const planned = plan(options)
  const progress = progressLine(planned.length)
  const results = []
  for (const run of planned) {
    progress.begins(`Node ${run.major}, seed ${run.seed}: ${run.name} ${run.variant}`)
    results.push({ node: run.major, seed: run.seed, ...await score(run, options) })
  }
  progress.end()
  const cpu = os.cpus()
  process.stdout.write(`${cpu[0].model.trim()}, ${cpu.length} cores, ${options.seconds} s of load for each variant\n`)
  for (const { major } of options.nodes) {
    const ofNode = results.filter(({ node }) => node === major)
    process.stdout.write(`\nNode ${major}\n${table(ofNode)}\n\n${totals(summarise(ofNode))}\n`)
  }
  if (options.json === undefined) return
  const record = { schema: 'leakprobe.bench.leaks/1', at: new Date().toISOString(), seconds: options.seconds, score: summarise(results), results }
  fs.writeFileSync(options.json, `${JSON.stringify(record, null, 2)}\n`)
}

function plan ({ cases, corpus, nodes, seeds, variant }) {
  const runs = []
  for (const { major, binary } of nodes) {
    for (const seed of seeds) {
      for (const name of cases) {
        const { packages } = JSON.parse(fs.readFileSync(path.join(corpus, 'cases', name, 'case.json'), 'utf8'))
        const variants = (variant === 'both' ? ['leaky', 'control'] : [variant]).filter((one) => packages[one])
        runs.push(...variants.map((one) => ({ major, binary, seed, name, variant: one })))
      }
    }
  }
  return runs
}

/** One server under load, judged: the scorer's own words. */
function score ({ binary, seed, name, variant }, { corpus, seconds }) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'leakprobe-leaks-'))
  const file = path.join(directory, 'score.json')
  const args = [path.join(corpus, 'score.mjs'), '--preload', path.join(ROOT, 'register.js'), '--case', name, '--variant', variant,
    '--seconds', `${seconds}`, '--seed', `${seed}`, '--node', binary, '--json', file]
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { env: { ...process.env, LEAKBENCH_CACHE: CACHE, TMPDIR: directory }, stdio: ['ignore', 'ignore', 'pipe'] })
    const lastReport = keepReport(directory)
    let said = ''
    child.stderr.on('data', (chunk) => { said = `${said}${chunk}`.slice(-4000) })
    child.once('error', reject)
    child.once('close', (code) => {
      try {
        const [result] = JSON.parse(fs.readFileSync(file, 'utf8')).results
        const report = lastReport()
        const culprit = variant === 'leaky' ? namesCulprit(JSON.parse(fs.readFileSync(path.join(corpus, 'cases', name, 'case.json'), 'utf8')), report) : null
        const named = (report?.leaks ?? []).map(({ route, kind, culprit }) => ({ route, kind, culprit }))
        resolve({ ...result, culprit, named })
      } catch {
        reject(new Error(`${name} ${variant}: the scorer ended with code ${code}\n${said}`))
      } finally {
        fs.rmSync(directory, { recursive: true, force: true })
      }
    })
  })
}

function readOptions () {
  const text = { type: 'string' }
  let values
  try {
    ({ values } = parseArgs({ options: { case: text, corpus: text, help: { type: 'boolean' }, json: text, nodes: text, seconds: text, seeds: text, variant: text } }))
  } catch (error) {
    refuse(error.message)
  }
  if (values.help) {
    process.stdout.write(USAGE)
    process.exit(0)
  }
  const corpus = path.resolve(values.corpus ?? path.join(ROOT, '..', 'shared', 'leakbench'))
  if (!fs.existsSync(path.join(corpus, 'score.mjs'))) refuse(`--corpus: expected a folder with score.mjs, received ${corpus}`)
  const known = fs.readdirSync(path.join(corpus, 'cases')).sort()
  const cases = values.case === undefined || values.case === 'all' ? known : values.case.split(',')
  const unknown = cases.find((name) => !known.includes(name))
  if (unknown !== undefined) refuse(`--case: the corpus has no ${unknown}`)
  const variant = values.variant ?? 'both'
  if (!['leaky', 'control', 'both'].includes(variant)) refuse(`--variant: expected leaky, control or both, received ${variant}`)
  const seconds = Number(values.seconds ?? 25)
  if (!(seconds >= 5 && seconds <= 600)) refuse(`--seconds: expected 5 to 600, received ${values.seconds}`)
  const binaries = nodeBinaries()
  const majors = (values.nodes ?? `${binaries[0].major}`).split(',').map(Number)
  const nodes = majors.map((major) => binaries.find((one) => one.major === major))
  if (nodes.includes(undefined)) refuse(`--nodes: expected some of ${binaries.map(({ major }) => major).join(', ')}, received ${values.nodes}`)
  return { cases, corpus, json: values.json, nodes, seconds, seeds: (values.seeds ?? '1').split(','), variant }
}

function refuse (message) {
  process.stderr.write(`${message}\n${USAGE}`)
  process.exit(2)
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`)
  process.exitCode = 1
})
