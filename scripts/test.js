'use strict'

// npm test: makes the clone ready, then runs the Rust tests and, on every supported Node.js, the JavaScript tests.
// The last line is the sum: `N passed, N failed`.

const fs = require('node:fs')
const path = require('node:path')
const { parseArgs } = require('node:util')
const { setupOrExit } = require('./setup.js')
const { nodeBinaries, nodesArePinned } = require('./setup/nodes.js')
const { runSuite } = require('./test/suite.js')

const ROOT = path.join(__dirname, '..')
const TESTS = path.join(ROOT, '__test__')
const TEST_TIMEOUT_MS = 300_000
const USAGE = `npm test -- [options]
  --only rust|js   one of the two
  --node 20,22     of the supported major versions
  --file A,B       only __test__/A.test.js and __test__/B.test.js
`

async function main () {
  const { only, majors, file } = readOptions()
  await setupOrExit({ nodes: only !== 'rust' })
  const results = []
  if (only !== 'js') results.push(await rustTests())
  if (only !== 'rust') {
    if (!nodesArePinned) process.stdout.write(`no Node.js binaries are pinned for ${process.platform} ${process.arch}: testing on ${process.version} only\n`)
    for (const { major, binary } of nodeBinaries()) {
      if (majors === undefined || majors.includes(major)) results.push(await nodeTests(major, binary, file))
    }
  }
  const passed = results.reduce((sum, result) => sum + result.passed, 0)
  const failed = results.reduce((sum, result) => sum + result.failed, 0)
  const lines = results.map((result) => `${result.name}: ${result.passed} passed, ${result.failed} failed, ${result.skipped} skipped, ${result.seconds} s`)
  for (const { name, failures } of results) if (failures !== '') process.stdout.write(`\n── ${name}: what failed ──\n${failures}\n`)
  process.stdout.write(`\n${lines.join('\n')}\n\n${passed} passed, ${failed} failed\n`)
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1
}

function rustTests () {
  return runSuite({ name: 'Rust', command: 'cargo', args: ['test', '--workspace', '--quiet'], cwd: ROOT, summary: 'cargo' })
}

function nodeTests (major, binary, file) {
  const names = fs.readdirSync(TESTS).filter((name) => name.endsWith('.test.js')).sort()
  const chosen = file === undefined ? names : file.split(',').map((topic) => `${topic}.test.js`)
  const absent = chosen.find((name) => !names.includes(name))
  if (absent !== undefined) refuse(`--file: there is no __test__/${absent}`)
  return runSuite({
    name: `Node ${major}`,
    command: binary,
    args: ['--test', '--test-reporter=spec', '--test-concurrency=2', `--test-timeout=${TEST_TIMEOUT_MS}`, ...chosen.map((name) => path.join('__test__', name))],
    cwd: ROOT,
    summary: 'node'
  })
}

function readOptions () {
  let values
  try {
    ({ values } = parseArgs({ options: { file: { type: 'string' }, help: { type: 'boolean' }, node: { type: 'string' }, only: { type: 'string' } } }))
  } catch (error) {
    refuse(error.message)
  }
  if (values.help) {
    process.stdout.write(USAGE)
    process.exit(0)
  }
  const { only, node, file } = values
  if (only !== undefined && only !== 'rust' && only !== 'js') refuse(`--only: expected rust or js, received ${only}`)
  const known = nodeBinaries().map(({ major }) => major)
  const majors = node?.split(',').map(Number)
  const unknown = majors?.find((major) => !known.includes(major))
  if (unknown !== undefined) refuse(`--node: expected some of ${known.join(', ')}, received ${node}`)
  return { only, majors, file }
}

function refuse (message) {
  process.stderr.write(`${message}\n${USAGE}`)
  process.exit(2)
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`)
  process.exitCode = 1
})
