'use strict'

// Several faults at once, under load; and every way in which a process ends while a capture runs.

const assert = require('node:assert/strict')
const { fork } = require('node:child_process')
const { once } = require('node:events')
const fs = require('node:fs')
const path = require('node:path')
const { test } = require('node:test')
const { setTimeout: wait } = require('node:timers/promises')
const { gunzipSync } = require('node:zlib')
const { isRunning, shadowsOf, skip } = require('./captured-app.js')
const { cleanup, endAfter, makeDirectory, request, until } = require('./helper.js')

const FAULTY = path.join(__dirname, 'fixtures', 'faulty.js')
// `npm run test:faults` takes more.
const ROUNDS = Number(process.env.FAULT_ROUNDS ?? 10)
const STATES = ['answered', 'refused', 'failed', 'not-asked']

async function start (t) {
  const directory = makeDirectory(t)
  const child = endAfter(t, fork(FAULTY, [directory], { execArgv: [], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] }))
  let stderr = ''
  child.stderr.on('data', (chunk) => { stderr += chunk })
  const [{ port }] = await once(child, 'message')
  return { child, directory, port, stderr: () => stderr, closed: once(child, 'close') }
}

/** Asks the app, and resolves with its answer of that name; others may come before. */
function ask (child, question, name) {
  return new Promise((resolve) => {
    child.on('message', function seen (message) {
      if (message[name] === undefined) return
      child.removeListener('message', seen)
      resolve(message[name])
    })
    child.send(question)
  })
}

/** Requests until it is stopped; how many were answered, and what failed. */
function load (port) {
  const seen = { answered: 0, failed: [] }
  let going = true
  const clients = ['/fast', '/slow', '/fast', '/stall'].map(async (target, client) => {
    while (going) {
      try {
        await request(port, target)
        seen.answered++
      } catch (error) {
        seen.failed.push(`${target}: ${error.code ?? error.message}`)
      }
      await wait(client === 3 ? 2500 : 5)
    }
  })
  return { seen, stop: async () => { going = false; await Promise.all(clients) } }
}

/** What a process does, as its status says. */
const state = (pid) => fs.readFileSync(`/proc/${pid}/status`, 'utf8').split('\n', 4).join(' ')

test('shadows killed and stopped, directories removed, stalls and workers, all at once: every capture ends, no request fails', { skip, timeout: 240_000 }, async (t) => {
  const { child, directory, port } = await start(t)
  const clients = load(port)
  cleanup(t, clients.stop)
  await until(() => clients.seen.answered > 20, 'there is load')
  const before = await ask(child, { held: true }, 'held')
  const faults = [
    async () => {},
    async () => { for (const shadow of shadowsOf(child.pid)) kill(shadow, 'SIGKILL') },
    async () => remove(path.join(directory, 'test')),
    async () => { const [shadow] = shadowsOf(child.pid); if (shadow !== undefined) { kill(shadow, 'SIGSTOP'); await wait(30); kill(shadow, 'SIGKILL') } },
    async () => ask(child, { worker: true }, 'worker'),
    async () => { fs.mkdirSync(path.join(directory, 'test'), { recursive: true }); remove(path.join(directory, 'test', 'incidents')); block(path.join(directory, 'test', 'incidents')) },
    async () => remove(path.join(directory, 'test', 'incidents'))
  ]

  const ends = []
  for (let round = 0; round < ROUNDS; round++) {
    const captured = ask(child, { capture: { floor: true, heapSnapshot: round % 3 === 0 } }, 'captured')
    await wait(round * 7 % 40) // at other moments each time
    await Promise.all([faults[round % faults.length](), faults[(round * 3 + 1) % faults.length]()])
    ends.push(await captured)
  }
  remove(path.join(directory, 'test', 'incidents'))
  await clients.stop()
  // A stall's own incident may be at work still.
  const last = await until(async () => {
    const end = await ask(child, { capture: { floor: true } }, 'captured')
    return end[0] === 'answered' && end
  }, 'a capture is answered', 60_000)

  assert.equal(ends.length, ROUNDS)
  for (const [state] of ends) assert.ok(STATES.includes(state) || state.startsWith('LEAKPROBE_ERR_'), JSON.stringify(ends))
  assert.equal(last[0], 'answered', JSON.stringify(ends))
  assert.deepEqual(clients.seen.failed, [])
  await until(() => shadowsOf(child.pid).length === 0 || assert.fail(shadowsOf(child.pid).map(state).join()), 'no shadow is left')
  const after = await ask(child, { held: true }, 'held')
  assert.ok(after.descriptors <= before.descriptors + 4, `${before.descriptors} descriptors before, ${after.descriptors} after`)
  assert.ok(after.requests > before.requests)
  assert.equal(after.dropped.queue, 0)
  assert.deepEqual(fs.readdirSync(path.join(directory, 'test'), { recursive: true }).filter((name) => path.basename(String(name)).startsWith('.tmp')), [])
})

for (const [end, expected, words] of [
  ['exit', [7, null]],
  ['return', [8, null]],
  ['throw', [1, null], /Error: of the application/],
  ['reject', [1, null], /Error: of the application/],
  ['abort', [null, 'SIGABRT']],
  ['SIGTERM', [null, 'SIGTERM']],
  ['SIGINT', [null, 'SIGINT']],
  ['SIGKILL', [null, 'SIGKILL']]
]) {
  test(`a process that ends by ${end} while a shadow writes ends as without a probe, and leaves no half file`, { skip, timeout: 120_000 }, async (t) => {
    const { child, directory, port, stderr, closed } = await start(t)
    await request(port, '/fast')
    child.send({ capture: { floor: true, heapSnapshot: true } })
    await until(() => shadowsOf(child.pid).length > 0, 'a shadow is there')
    const [shadow] = shadowsOf(child.pid)
    kill(shadow, 'SIGSTOP') // it must not end by itself

    if (end.startsWith('SIG')) child.kill(end)
    else child.send({ end })
    // An application that has nothing left to do waits for the capture that it asked for.
    if (end === 'return') kill(shadow, 'SIGCONT')
    const ended = await closed

    assert.deepEqual(ended, expected, stderr())
    if (words !== undefined) assert.match(stderr(), words)
    assert.doesNotMatch(stderr(), /leakprobe.*(?:panick|Error)/i)
    await until(() => !isRunning(shadow), 'the shadow is gone')
    for (const name of fs.readdirSync(path.join(directory, 'test'), { recursive: true }).map(String)) {
      const file = path.join(directory, 'test', name)
      if (name.includes('.tmp')) continue
      if (name.endsWith('.json')) JSON.parse(fs.readFileSync(file, 'utf8'))
      if (name.endsWith('.gz')) JSON.parse(gunzipSync(fs.readFileSync(file)))
    }
    // The next process sweeps what this one could not.
    const next = endAfter(t, fork(FAULTY, [directory], { execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }))
    await once(next, 'message')
    assert.deepEqual(fs.readdirSync(path.join(directory, 'test'), { recursive: true }).filter((name) => path.basename(String(name)).startsWith(`.tmp-${child.pid}-`)), [])
  })
}

// The app may be writing there at the same moment.
function remove (folder) {
  try {
    fs.rmSync(folder, { recursive: true, force: true })
  } catch (error) {
    if (error.code !== 'ENOTEMPTY') throw error
  }
}

/** Puts a file where the app wants a folder. */
function block (folder) {
  try {
    fs.writeFileSync(folder, 'in the way')
  } catch (error) {
    if (error.code !== 'EISDIR') throw error
  }
}

function kill (pid, signal) {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if (error.code !== 'ESRCH') throw error // it was faster
  }
}
