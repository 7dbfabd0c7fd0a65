'use strict'

// The rule format of triggers: every example of the document, wrong rules with their messages, and the command that checks.

const assert = require('node:assert/strict')
const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const test = require('node:test')
const { start } = require('../index.js')
const { loadNative } = require('../lib/native')
const { readOptions } = require('../lib/options')
const { makeDirectory } = require('./helper')

const DOCUMENT = fs.readFileSync(path.join(__dirname, '..', 'docs', 'triggers.md'), 'utf8')
const BIN = path.join(__dirname, '..', 'bin.js')

/** The fenced blocks of the document in a language, each with what it holds. */
function blocks (language) {
  return [...DOCUMENT.matchAll(/^```(\w+)\n([^]*?)^```$/gm)].filter(([, found]) => found === language).map(([, , text]) => text)
}

/** The triggers of an example: a config file, a list, or one. */
function triggersOf (example) {
  if (Array.isArray(example)) return example
  return example.triggers ?? [example]
}

const complete = (triggers, preset = 'production') => readOptions({ triggers, preset }, { env: {}, cwd: '/' }).triggers

function check (args) {
  const { code, stdout, stderr } = loadNative().runCli(['rules', 'check', ...args], 100, false, false)
  return { code, stdout, stderr }
}

test('every example of the document is right, in start(), in a config file and for the command, which complete it alike', (t) => {
  const directory = makeDirectory(t)
  const file = path.join(directory, 'leakprobe.config.json')
  const examples = blocks('json').map((text) => triggersOf(JSON.parse(text)))
  assert.ok(examples.length >= 10, `${examples.length} examples`)
  for (const triggers of examples) {
    for (const preset of ['production', 'test']) {
      fs.writeFileSync(file, JSON.stringify({ preset, triggers }))

      const given = complete(triggers, preset)
      const fromFile = readOptions({}, { env: {}, cwd: directory }).triggers
      const { code, stdout } = check([file, '--json'])

      assert.deepEqual(fromFile, given)
      assert.equal(code, 0, stdout)
      assert.deepEqual(JSON.parse(stdout).triggers.map(({ trigger }) => trigger), given)
      assert.deepEqual(complete(given, preset), given, 'what is complete stays as it is')
      for (const trigger of triggers) {
        const completed = given.find(({ name }) => name === trigger.name)
        for (const [field, value] of Object.entries(trigger)) {
          if (!['when', 'actions', 'heapSnapshot'].includes(field)) assert.deepEqual(completed[field], value, field)
        }
      }
    }
  }
})

test('a probe starts with all examples at once, and tells the state of each', async (t) => {
  const triggers = blocks('json').flatMap((text) => triggersOf(JSON.parse(text)))
  const probe = start({ directory: makeDirectory(t), service: 'rules', preset: 'test', floors: 'natural', triggers })
  try {
    assert.deepEqual(probe.stats().triggers.map(({ name, state }) => [name, state]), triggers.map(({ name }) => [name, 'warming up']))
  } finally {
    await probe.stop()
  }
})

test('what the document shows of the command is what it prints', (t) => {
  const directory = makeDirectory(t)
  fs.writeFileSync(path.join(directory, 'leakprobe.config.json'), blocks('json').at(-1))
  fs.writeFileSync(path.join(directory, 'wrong.json'), '[{ "name": "stalled", "when": { "type": "stall", "aboveMs": "5s" } }]')
  const shown = blocks('console')
  assert.equal(shown.length, 2)
  for (const [index, text] of shown.entries()) {
    const [first, ...rest] = text.split('\n')
    const [, args] = first.match(/^\$ npx leakprobe (.*)$/)
    const { status, stdout, stderr } = spawnSync(process.execPath, [BIN, ...args.split(' ')], { cwd: directory, encoding: 'utf8' })
    assert.equal(stdout + stderr, rest.join('\n'))
    assert.equal(status, index)
  }
})

const stall = { type: 'stall', aboveMs: 100 }
const latency = { type: 'latency', aboveMs: 100 }
const one = (when, more) => [{ name: 'one', when, ...more }]

// What stands under `triggers`, where the error says it is wrong, and with which words.
const WRONG = [
  [true, '', 'an array of at most 100 triggers, or false', 'true'],
  [{ name: 'one', when: stall }, '', 'an array of at most 100 triggers, or false', 'an object'],
  [['slow'], '[0]', 'an object with name and when', '"slow" (string)'],
  [[{ when: stall }], '[0].name', 'a name of 1 to 40 lower-case letters', 'nothing'],
  [[{ name: 'Slow Mails', when: stall }], '[0].name', 'a name of 1 to 40 lower-case letters', '"Slow Mails" (string)'],
  [[...one(stall), ...one(stall)], '[1].name', 'a name that no other trigger has', '"one" (string)'],
  [[{ name: 'one' }], '[0].when', 'an object with type, all or any', 'nothing'],
  [one('stall'), '[0].when', 'an object with type, all or any', '"stall" (string)'],
  [one({ aboveMs: 100 }), '[0].when.type', 'one of "latency", "slowdown"', 'nothing'],
  [one({ type: 'memory', above: 1 }), '[0].when.type', 'one of "latency", "slowdown"', '"memory" (string)'],
  [one({ type: 'stall' }), '[0].when.aboveMs', 'a number from 50 to 86400000', 'nothing'],
  [one({ type: 'stall', aboveMs: '5s' }), '[0].when.aboveMs', 'a number from 50', '"5s" (string)'],
  [one({ type: 'stall', aboveMs: null }), '[0].when.aboveMs', 'a number from 50', 'null'],
  [one({ type: 'stall', above: 100, aboveMs: 100 }), '[0].when.above', 'one of type, aboveMs', 'an unknown field (100)'],
  [one({ type: 'latency' }), '[0].when.aboveMs', 'a number from 0.001 to 86400000, or timesBaseline', 'nothing'],
  [one({ type: 'latency', aboveMs: 10, quantile: 95 }), '[0].when.quantile', 'a number from 0.01 to 0.999', '95'],
  [one({ type: 'latency', timesBaseline: 0.5 }), '[0].when.timesBaseline', 'a number from 1.05 to 1000', '0.5'],
  [one({ type: 'latency', aboveMs: 10, minRequests: 1.5 }), '[0].when.minRequests', 'a whole number from 1', '1.5'],
  [one({ type: 'latency', aboveMs: 10, running: 'no' }), '[0].when.running', 'true or false', '"no" (string)'],
  [one({ type: 'slowdown', doublesWithinMs: 3 }), '[0].when.doublesWithinMs', 'a number from 1000', '3'],
  [one({ type: 'running', aboveMs: 1000, count: 300 }), '[0].when.count', 'a whole number from 1 to 256', '300'],
  [one({ type: 'errors', aboveShare: 5 }), '[0].when.aboveShare', 'a number from 0 to 0.999', '5'],
  [one({ type: 'leak', kind: 'cache' }), '[0].when.kind', 'one of "collection"', '"cache" (string)'],
  [one({ type: 'heap', aboveShare: 85 }), '[0].when.aboveShare', 'a number from 0.01 to 1', '85'],
  [one({ type: 'rss', above: 1 }), '[0].when.above', 'one of type, aboveBytes, growsBytes, withinMs', 'an unknown field (1)'],
  [one({ type: 'rss', aboveBytes: '1GB' }), '[0].when.aboveBytes', 'a number from 0', '"1GB" (string)'],
  [one({ type: 'floor', growsBytes: 1e6 }), '[0].when.withinMs', 'a whole number from 1000 to 2592000000', 'nothing'],
  [one({ type: 'timers', above: 1, grows: 1, withinMs: 1000 }), '[0].when.grows', 'either above or grows', 'both'],
  [one({ type: 'heap-limit', aboveShare: 1 }), '[0].when.aboveShare', 'one of type', 'an unknown field (1)'],
  [one({ all: [stall] }), '[0].when.all', 'an array of 2 to 8 conditions', 'an array of 1'],
  [one({ any: { a: stall } }), '[0].when.any', 'an array of 2 to 8 conditions', 'an object'],
  [one({ all: [stall, { any: [latency, { type: 'latency', aboveMs: -1 }] }] }), '[0].when.all[1].any[1].aboveMs', 'a number from 0.001', '-1'],
  [one({ any: [stall, { type: 'heap-limit' }] }), '[0].when.any[1].type', '"heap-limit" stands alone', '"heap-limit" (string)'],
  [one({ all: [stall, latency], not: stall }), '[0].when.not', 'one of all', 'an unknown field (an object)'],
  [one(stall, { routes: ['GET /a'] }), '[0].routes', 'no routes: the condition "stall" has none', 'an array of 1'],
  [one(latency, { routes: 'GET /a' }), '[0].routes', 'an array of at most 100 route globs', '"GET /a" (string)'],
  [one(latency, { exceptRoutes: ['GET /a', 5] }), '[0].exceptRoutes[1]', 'a glob of 1 to 200 characters', '5'],
  [one(stall, { forMS: 5 }), '[0].forMS', 'one of name, when, routes', 'an unknown field (5)'],
  [one(stall, { forMs: '5m' }), '[0].forMs', 'a whole number from 0 to 86400000', '"5m" (string)'],
  [one(stall, { maxTrips: { count: 1 } }), '[0].maxTrips.perMs', 'a whole number from 1000', 'nothing'],
  [one(stall, { actions: ['page-me'] }), '[0].actions[0]', 'one of "record", "shadow-collection", "heap-snapshot"', '"page-me" (string)'],
  [one(stall, { heapSnapshot: 1 }), '[0].heapSnapshot', 'true or false', '1']
]

test('wrong rules are refused with the place, what was expected and what was received, the same in all three ways', (t) => {
  const directory = makeDirectory(t)
  const file = path.join(directory, 'leakprobe.config.json')
  assert.ok(WRONG.length >= 30)
  for (const [triggers, at, expected, received] of WRONG) {
    fs.writeFileSync(file, JSON.stringify({ triggers }))
    const place = `triggers${at}`
    const wrong = (source) => (error) => {
      assert.equal(error.code, 'LEAKPROBE_ERR_OPTION')
      assert.ok(error instanceof TypeError)
      assert.equal(error.option, place)
      assert.ok(error.expected.includes(expected), error.message)
      assert.equal(error.received, received, error.message)
      assert.equal(error.source, source)
      assert.ok(error.message.startsWith(`option ${place}${source === undefined ? '' : ` (${source})`}: expected `), error.message)
      return true
    }
    assert.throws(() => start({ triggers }), wrong(undefined), place)
    assert.throws(() => readOptions({}, { env: {}, cwd: directory }), wrong(`config file ${file}`), place)
    const { code, stdout, stderr } = check([file])
    assert.deepEqual([code, stdout], [1, ''])
    assert.ok(stderr.startsWith(`${file}: ${place}: expected `) && stderr.includes(`${expected}`), stderr)
    assert.ok(stderr.split('\n')[0].endsWith(`, received ${received}`), stderr)
  }
})

test('what JSON cannot hold, and what is far too large, is refused before it goes anywhere', () => {
  const circular = { all: [] }
  circular.all.push(circular, circular)
  const wide = { type: 'stall', aboveMs: 100, note: new Array(1e9) }
  for (const [triggers, place] of [
    [one({ type: 'stall', aboveMs: NaN }), 'triggers[0].when.aboveMs'],
    [one({ type: 'stall', aboveMs: Infinity }), 'triggers[0].when.aboveMs'],
    [one({ type: 'stall', aboveMs: 100n }), 'triggers[0].when.aboveMs'],
    [one(stall, { actions: [() => {}] }), 'triggers[0].actions[0]'],
    [one(latency, { routes: [undefined] }), 'triggers[0].routes[0]'],
    [one(latency, { routes: [/^GET/] }), 'triggers[0].routes[0]'],
    [one(circular), /^triggers\[0\]\.when(\.all\[0\]){2,}/],
    [one(wide), 'triggers[0].when.note'],
    [JSON.parse('[{ "name": "one", "when": { "type": "stall", "aboveMs": 100 }, "__proto__": 1 }]'), 'triggers[0].__proto__'],
    [one(stall, { name: '\ud800' }), 'triggers[0].name']
  ]) {
    assert.throws(() => start({ triggers }), (error) => {
      assert.equal(error.code, 'LEAKPROBE_ERR_OPTION')
      if (typeof place === 'string') assert.equal(error.option, place)
      else assert.match(error.option, place)
      return true
    })
  }
})

test('an error tells the first problem, and has all of them', () => {
  assert.throws(() => start({ triggers: [{ name: 'A', when: { type: 'stall' } }] }), (error) => {
    assert.deepEqual(error.problems.map(({ option }) => option), ['triggers[0].name', 'triggers[0].when.aboveMs'])
    return true
  })
})
