'use strict'

// Real processes in real trouble, and one in none. The whole table: npm run bench:hypotheses.

const assert = require('node:assert/strict')
const { spawn } = require('node:child_process')
const path = require('node:path')
const { createInterface } = require('node:readline')
const { test } = require('node:test')
const { endAfter, until } = require('./helper')

const FIXTURE = path.join(__dirname, 'fixtures', 'hypothesis.js')
const LIMIT_MS = 120_000

/** A process in these troubles; `ask()` resolves with its hypotheses by name. */
function inTrouble (t, ...troubles) {
  const child = endAfter(t, spawn(process.execPath, ['--expose-gc', FIXTURE, ...troubles], { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, LATER_MS: '6000' } }))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    async ask () {
      child.stdin.write('\n')
      const { value, done } = await lines.next()
      assert.ok(!done, `the process has ended: ${child.exitCode ?? child.signalCode}`)
      return JSON.parse(value)
    }
  }
}

// What a machine that is busy with other things does to a process is not its own doing.
const OF_THE_MACHINE = ['cpu', 'blocked-event-loop', 'cgroup-limit', 'page-faults', 'load-increase']

test('a leak of descriptors, fragmentation of malloc and more load are each told by their numbers', { timeout: LIMIT_MS + 10_000 }, async (t) => {
  const troubles = ['handle-leak', 'malloc-fragmentation', 'load-increase']
  const process = inTrouble(t, ...troubles)
  // More load is normal once it has been there for most of the time, so not all need be supported at once.
  const supported = {}
  const told = await until(async () => {
    const told = await process.ask()
    for (const name of troubles) if (told[name].state === 'supported') supported[name] = told[name]
    return troubles.every((name) => supported[name] !== undefined) && told
  }, 'all were supported', LIMIT_MS).catch((error) => assert.fail(`${error.message}; were: ${Object.keys(supported)}`))
  for (const name of troubles) {
    assert.match(supported[name].because, /\d/)
    assert.ok(Object.keys(supported[name].numbers).length > 0, name)
  }
  assert.ok(supported['handle-leak'].numbers.grown > 32)
  assert.ok(supported['malloc-fragmentation'].numbers.mallocFreeBytes > 64e6)
  assert.equal(told['heap-limit'].state, 'ruled out')
})

test('a process in no trouble has everything ruled out by a number', { timeout: LIMIT_MS + 10_000 }, async (t) => {
  const process = inTrouble(t, 'steady')
  const told = await until(async () => {
    const told = await process.ask()
    const judged = Object.entries(told).filter(([name]) => !OF_THE_MACHINE.includes(name))
    return judged.every(([, { state }]) => state === 'ruled out') && told
  }, 'all are ruled out', LIMIT_MS)
  assert.equal(Object.keys(told).length, 12)
  for (const [name, { because, state }] of Object.entries(told)) if (state === 'ruled out') assert.match(because, /\d/, name)
})
