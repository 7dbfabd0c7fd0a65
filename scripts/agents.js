'use strict'

// npm run test:agents: leakprobe beside other agents, under PM2 and inside other test runners, which are installed for it. Not part of
// `npm test`: they are a hundred times our size.

const fs = require('node:fs')
const path = require('node:path')
const { parseArgs } = require('node:util')
const { setupOrExit } = require('./setup.js')
const { nodeBinaries } = require('./setup/nodes.js')
const { installPackages } = require('./setup/packages.js')
const { runSuite } = require('./test/suite.js')

const ROOT = path.join(__dirname, '..')
const FOLDER = path.join(ROOT, '__test__', 'agents')

async function main () {
  const { values } = parseArgs({ options: { node: { type: 'string' }, file: { type: 'string' } } })
  await setupOrExit({ nodes: true })
  await installPackages(FOLDER, 'installing other agents and test runners')
  const majors = values.node?.split(',').map(Number)
  const files = fs.readdirSync(FOLDER).filter((name) => name.endsWith('.test.js') && (values.file === undefined || name === `${values.file}.test.js`))
  const results = []
  for (const { major, binary } of nodeBinaries()) {
    if (majors !== undefined && !majors.includes(major)) continue
    const args = ['--test', '--test-reporter=spec', '--test-concurrency=1', ...files.map((name) => path.join('__test__', 'agents', name))]
    results.push(await runSuite({ name: `Node ${major}`, command: binary, args, cwd: ROOT, summary: 'node' }))
  }
  const sum = (what) => results.reduce((total, result) => total + result[what], 0)
  for (const { name, passed, failed, skipped, seconds } of results) process.stdout.write(`${name}: ${passed} passed, ${failed} failed, ${skipped} skipped, ${seconds} s\n`)
  process.stdout.write(`\n${sum('passed')} passed, ${sum('failed')} failed\n`)
  process.exitCode = sum('failed') === 0 && sum('passed') > 0 ? 0 : 1
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`)
  process.exitCode = 1
})
