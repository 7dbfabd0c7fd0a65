'use strict'

const assert = require('node:assert/strict')
const { test } = require('node:test')
const leaks = require('../benchmark/leaks/result.js')
const { namesCulprit } = require('../benchmark/leaks/culprit.js')
const { median, summarise, table } = require('../benchmark/request/result.js')
const { undocumented } = require('../scripts/ready/options.js')
const { errorsIn } = require('../scripts/valgrind/errors.js')
const { cargoFailures, countCargo, countNode, nodeFailures, runSuite } = require('../scripts/test/suite.js')

test('cargo summaries are added up over all test binaries', () => {
  const output = [
    'running 3 tests',
    'test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s',
    'test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s'
  ].join('\n')

  assert.deepEqual(countCargo(output), { passed: 7, failed: 2, skipped: 1 })
})

test('a cancelled JavaScript test counts as failed', () => {
  const output = 'ℹ tests 9\nℹ suites 0\nℹ pass 5\nℹ fail 1\nℹ cancelled 1\nℹ skipped 1\nℹ todo 1\nℹ duration_ms 12.5\n'

  assert.deepEqual(countNode(output), { passed: 5, failed: 2, skipped: 2 })
})

test('a runner that printed no summary counts nothing', () => {
  assert.deepEqual(countNode('segmentation fault'), { passed: 0, failed: 0, skipped: 0 })
})

test('what failed is told again at the end, shortened', () => {
  const trace = Array.from({ length: 200 }, (_, line) => `    at line ${line}`).join('\n')
  const node = `✔ a (1ms)\n✖ b (1ms)\n\nℹ pass 1\nℹ fail 1\n\n✖ failing tests:\n\ntest at b.test.js:2:1\n✖ b (1ms)\n  AssertionError: 2 requests failed\n${trace}\n`
  const cargo = 'running 2 tests\n\nfailures:\n\n---- b stdout ----\npanicked: left 1, right 2\n\n\nfailures:\n    b\n\ntest result: FAILED. 1 passed; 1 failed; 0 ignored\n'

  assert.match(nodeFailures(node), /^test at b\.test\.js:2:1\n✖ b \(1ms\)\n {2}AssertionError: 2 requests failed\n[^]*… 123 lines more above$/)
  assert.equal(cargoFailures(cargo), '---- b stdout ----\npanicked: left 1, right 2')
  assert.deepEqual([nodeFailures('ℹ pass 1\n'), cargoFailures('test result: ok. 1 passed; 0 failed; 0 ignored')], ['', ''])
})

test('what a runner leaves running ends with it, and a runner that never ends has failed', { skip: process.platform === 'win32' }, async () => {
  const show = () => {}
  const left = await runSuite({ name: 'left', command: 'sh', args: ['-c', 'sleep 600 & echo "ℹ pass 1"'], cwd: __dirname, summary: 'node', show })
  const endless = await runSuite({ name: 'endless', command: 'sh', args: ['-c', 'echo "ℹ pass 1"; sleep 600'], cwd: __dirname, summary: 'node', limitMs: 200, show })

  assert.deepEqual([left.passed, left.failed], [1, 0])
  assert.deepEqual([endless.passed, endless.failed], [1, 1])
})

test('the median of an even number of values lies between the middle two', () => {
  assert.equal(median([4, 1, 3, 2]), 2.5)
  assert.equal(median([9, 1, 5]), 5)
})

test('a disturbance of a whole benchmark round cancels out of ratios and differences', () => {
  const none = [{ requestsPerSecond: 100, cpuUs: 10 }, { requestsPerSecond: 50, cpuUs: 20 }]
  const probe = [{ requestsPerSecond: 90, cpuUs: 11 }, { requestsPerSecond: 45, cpuUs: 21 }]

  const [, result] = summarise(new Map([['none', none], ['leakprobe', probe]]))

  assert.equal(result.throughputRatio.median, 0.9)
  assert.equal(result.addedCpuUs.median, 1)
  assert.match(table('http', summarise(new Map([['none', none], ['leakprobe', probe]]))), /\| leakprobe +\| +68 \| +0.900 \| +16.00 \| +\+1.00 \|/)
})

test('a leak score counts only what a case asks, and takes what never leaks as quiet or not', () => {
  const found = { routes: ['GET /a'], kind: 'collection', perRequest: { value: 1234.5, unit: 'bytes' } }
  const results = [
    { case: 'cache', seed: 1, variant: 'leaky', ok: true, kind: true, amount: false, slowdown: null, culprit: true, secondsToVerdict: 9, leaks: [found], why: 'amount 1235 for 300' },
    { case: 'cache', seed: 1, variant: 'control', ok: true, leaks: [] },
    { case: 'timer', seed: 1, variant: 'leaky', ok: false, kind: false, amount: null, slowdown: true, secondsToVerdict: null, leaks: [], why: 'missing GET /b' },
    { case: 'neg-waves', seed: 1, variant: 'control', ok: false, leaks: [found], why: 'false alarm' }
  ]

  const score = leaks.summarise(results)

  assert.deepEqual(score.route, { of: 2, right: 1, share: 0.5 })
  assert.deepEqual(score.amount, { of: 1, right: 0, share: 0 })
  assert.deepEqual(score.slowdown, { of: 1, right: 1, share: 1 })
  assert.deepEqual(score.culprit, { of: 1, right: 1, share: 1 })
  assert.deepEqual(score.quiet, { of: 2, right: 1, share: 0.5 })
  assert.equal(score.secondsToVerdict, 9)
  assert.match(leaks.table(results), /\| cache +\| 1 +\| leaky +\| ✓ +\| ✓ +\| ✗ +\| +\| ✓ +\| +\| 9 +\| collection GET \/a: 1230 bytes +\| amount 1235 for 300 \|/)
  assert.match(leaks.totals(score), /^route 1 of 2 \(50 %\), kind 1 of 2 \(50 %\), amount 0 of 1 \(0 %\), slowdown 1 of 1 \(100 %\), culprit 1 of 1 \(100 %\), quiet 1 of 2 \(50 %\), median 9 s to the verdict$/)
  assert.equal(leaks.summarise([]).route, null)
})

test('a culprit is named by its package or by what leaks in it, in a leak of the leaky route only', () => {
  const asked = { leaky_routes: ['GET /a'], expect: { metric: 'heapUsed', culprit_package: 'pug', culprit_symbol: 'pug.cache / Loader listeners' } }
  const report = (route, said) => ({ leaks: [{ route, ...said }] })

  assert.equal(namesCulprit(asked, report('GET /a', { culprit: { package: 'pug' } })), true)
  assert.equal(namesCulprit(asked, report('GET /a', { culprit: { retainingPath: ['context loader'] } })), true)
  assert.equal(namesCulprit(asked, report('GET /a', { culprit: { retainingPath: ['listeners of a cache'] } })), false)
  assert.equal(namesCulprit(asked, report('GET /b', { culprit: { package: 'pug' } })), false)
  assert.equal(namesCulprit(asked, undefined), false)
  assert.equal(namesCulprit({ ...asked, expect: { metric: 'rss' } }, report('GET /a')), null)
})

test('an option without its row, with another default, or a row without an option is told', () => {
  const page = '| `windowMs` | 10 000 (1 000) | length |\n| `gone` | none | |\n| `LEAKPROBE_ERR_X` | no option |\n'
  const types = 'export interface Options {\n  /** Length, ms. Default 10 000 (`test`: 2 000). */\n  windowMs?: number\n}\n'

  assert.deepEqual(undocumented({ windowMs: { default: 10_000, test: 1000 }, added: { default: true } }, page, types), [
    'index.d.ts, windowMs: the default 1000 is not told',
    'docs/options.md has no row for added',
    'index.d.ts has no option added',
    'docs/options.md has a row for gone, which is no option'
  ])
})

test('of valgrind\'s errors those with a frame in the addon are ours', () => {
  const error = (object, kind) => `<error><kind>${kind}</kind><what>Invalid read of size 8</what><stack><frame><obj>${object}</obj><fn>f</fn></frame></stack></error>`
  const { all, ours } = errorsIn(error('/usr/bin/node', 'InvalidRead') + error('/app/leakprobe.linux-x64-gnu.node', 'InvalidWrite'))

  assert.equal(all, 2)
  assert.deepEqual(ours, ['InvalidWrite: Invalid read of size 8\n    f (/app/leakprobe.linux-x64-gnu.node:?)'])
})
