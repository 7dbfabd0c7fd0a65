'use strict'

// What several tests need: a probe in a directory of its own, a server on a free port, requests, and waiting for a
// condition. No test sleeps for a fixed time.

const assert = require('node:assert/strict')
const fs = require('node:fs')
const http = require('node:http')
const os = require('node:os')
const path = require('node:path')
const { setTimeout: wait } = require('node:timers/promises')
const { start } = require('../index.js')

const DEADLINE_MS = 15_000
// Odd, and of another source than the tests' own timers, so that it is not among those a probe counts.
const POLL_MS = 6

const cleanups = new WeakMap()

/** Runs `undo` after the test: the last one first, each one also after another has failed. */
function cleanup (t, undo) {
  const known = cleanups.get(t)
  if (known !== undefined) return known.push(undo)
  const undos = [undo]
  cleanups.set(t, undos)
  t.after(async () => {
    const errors = []
    for (const undo of undos.reverse()) {
      try {
        await undo()
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length > 0) throw errors.length === 1 ? errors[0] : new AggregateError(errors)
  })
}

/** Kills the child after the test, and waits until it has ended: a child that lives on keeps its test file from ending. */
function endAfter (t, child) {
  const ended = new Promise((resolve) => child.once('exit', resolve).once('error', resolve))
  cleanup(t, () => {
    child.kill('SIGKILL')
    return ended
  })
  return child
}

/** Starts a probe that writes below a fresh directory; both are gone after the test. */
function startProbe (t, options = {}) {
  const directory = makeDirectory(t)
  const probe = start({ directory, service: 'test', preset: 'test', floors: 'natural', tickMs: 20, triggers: false, ...options })
  cleanup(t, () => probe.stop())
  return probe
}

/** A fresh directory, removed after the test. */
function makeDirectory (t) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'leakprobe-test-'))
  // What a killed process had started may still make files.
  cleanup(t, () => fs.rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }))
  return directory
}

/** Listens on a free port; returns it. Connections are closed after the test. */
async function listen (t, server) {
  await new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  cleanup(t, () => {
    server.closeAllConnections?.()
    return new Promise((resolve) => server.close(resolve))
  })
  return server.address().port
}

/** One request; resolves with status and body. */
function request (port, target, { method = 'GET', headers, agent, body } = {}) {
  return new Promise((resolve, reject) => {
    const outgoing = http.request({ port, host: '127.0.0.1', path: target, method, headers, agent }, (response) => {
      const chunks = []
      response.on('data', (chunk) => chunks.push(chunk))
      response.on('end', () => resolve({ status: response.statusCode, body: Buffer.concat(chunks).toString() }))
      response.on('error', reject)
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

/** Waits until `condition()` is true; what it throws counts as false and is told when time is up. */
async function until (condition, what = 'the condition holds', deadlineMs = DEADLINE_MS) {
  const before = Date.now()
  let last
  for (;;) {
    try {
      const result = await condition()
      if (result) return result
      last = undefined
    } catch (error) {
      last = error
    }
    if (Date.now() - before > deadlineMs) assert.fail(`waited ${deadlineMs} ms until ${what}${last ? `: ${last.message}` : ''}`)
    await wait(POLL_MS)
  }
}

/** Requests counted so far, by route. */
function counts (probe) {
  return Object.fromEntries(probe.stats().routes.map(({ route, requests }) => [route, requests]))
}

/** Waits until exactly these requests are counted, by route. */
async function countsAre (probe, expected) {
  try {
    await until(() => isDeepEqual(counts(probe), expected))
  } catch {
    assert.deepEqual(counts(probe), expected)
  }
}

/** The route as counted, with how its requests ended; undefined before the first. */
function routeOf (probe, name) {
  return probe.stats().routes.find(({ route }) => route === name)
}

function isDeepEqual (a, b) {
  try {
    assert.deepEqual(a, b)
    return true
  } catch {
    return false
  }
}

module.exports = { cleanup, endAfter, startProbe, makeDirectory, listen, request, until, counts, countsAre, routeOf }
