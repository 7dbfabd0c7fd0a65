'use strict'

// A machine that breaks while a shadow is at work: nothing that was there is lost, and the app goes on.

const assert = require('node:assert/strict')
const { execFileSync, spawnSync } = require('node:child_process')
const { once } = require('node:events')
const fs = require('node:fs')
const path = require('node:path')
const { test } = require('node:test')
const { CAPTURES, canMount, isRoot, isRunning, skip, start } = require('./captured-app.js')
const { makeDirectory, until } = require('./helper.js')

test('a full disk fails the heap snapshot with its reason, and leaves what was there', { skip: skip || (!canMount && 'mounting needs root'), timeout: 120_000 }, async (t) => {
  const directory = makeDirectory(t)
  // A mount of its own, seen by the child and nobody else; /proc/PID/root shows it to the test. Nothing is refused beforehand, and no history fills it.
  const script = 'mount -t tmpfs -o size=1500k leakprobe "$1" && exec env LEAKPROBE_MIN_FREE_DISK_BYTES=0 LEAKPROBE_HISTORY=false "$2" "$3" "$1"'
  const app = start(t, [script, 'sh', directory, process.execPath, CAPTURES], 'unshare', ['-m', 'sh', '-c'])
  await app.ready
  const small = await app.capture({ floor: true })
  assert.equal(small.incident.shadow.state, 'answered', JSON.stringify(small))

  const { incident } = await app.capture({ heapSnapshot: true })

  assert.equal(incident.heapSnapshot.state, 'failed')
  assert.match(incident.heapSnapshot.because, /No space left/)
  const inside = path.join('/proc', String(app.child.pid), 'root', directory, 'test', 'incidents')
  const files = fs.readdirSync(inside, { recursive: true }).map(String)
  assert.deepEqual(files.filter((file) => file.includes('tmp') || file.endsWith('.gz')), [], 'no half file under any name')
  assert.ok(files.some((file) => file.endsWith('stack.txt')), 'the earlier incident is still whole')
  assert.equal((await app.capture({ floor: true })).incident.shadow.state, 'answered')
})

test('a directory that is removed meanwhile fails one capture and is made again for the next', { skip, timeout: 120_000 }, async (t) => {
  const directory = makeDirectory(t)
  const app = start(t, [directory])
  await app.ready
  const capture = app.capture({ heapSnapshot: true })
  const shadow = await app.shadow()
  process.kill(shadow, 'SIGSTOP')
  fs.rmSync(path.join(directory, 'test'), { recursive: true })
  process.kill(shadow, 'SIGCONT')

  const { incident } = await capture
  const next = await app.capture({ floor: true })

  assert.equal(incident.heapSnapshot.state, 'failed', JSON.stringify(incident.heapSnapshot))
  assert.equal(next.incident.shadow.state, 'answered')
  assert.ok(fs.existsSync(path.join(next.incident.directory, 'stack.txt')))
})

test('when the kernel refuses threads and forks the capture says so, and the app goes on', { skip: skip || (!isRoot && 'another user is needed'), timeout: 120_000 }, async (t) => {
  const directory = makeDirectory(t)
  fs.chmodSync(directory, 0o777)
  const user = 54_321 // nobody else's processes count against its limit
  const app = start(t, [directory], process.execPath, [], { uid: user, gid: user })
  await app.ready
  const limit = (soft) => execFileSync('prlimit', [`--pid=${app.child.pid}`, `--nproc=${soft}:`], { uid: user, gid: user })
  limit(1)

  const { incident } = await app.capture({ floor: true })
  limit(1000)
  const next = await app.capture({ floor: true })

  assert.equal(incident.shadow.state, 'failed')
  assert.match(incident.shadow.because, /thread|fork/)
  assert.equal(next.incident.shadow.state, 'answered', JSON.stringify(next.incident.shadow))
})

test('a limit of the address space refuses V8 the heap snapshot, and gives stack and floor', { skip, timeout: 120_000 }, async (t) => {
  const app = start(t, [makeDirectory(t), '400000'], undefined, [], { env: { ...process.env, HEAP_SNAPSHOT_BY: 'v8' } })
  await app.ready
  const size = Number(/^VmSize:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${app.child.pid}/status`, 'utf8'))[1]) * 1024
  execFileSync('prlimit', [`--pid=${app.child.pid}`, `--as=${size + (200 << 20)}`])
  await new Promise((resolve) => setTimeout(resolve, 1500)) // the limit is read once a second

  const { incident } = await app.capture({ heapSnapshot: true })

  assert.equal(incident.heapSnapshot.state, 'refused', JSON.stringify(incident.heapSnapshot))
  assert.match(incident.heapSnapshot.because, /a heap of \d+ objects needs about \d+ MB to be written, and a shadow may take \d+ MB/)
  assert.equal(incident.shadow.state, 'answered', JSON.stringify(incident.shadow))
  assert.ok(incident.floor.heapUsed > 1e6)
})

test('a shadow that runs out of memory is not followed by the app itself', { skip, timeout: 180_000 }, async (t) => {
  const app = start(t, [makeDirectory(t)])
  await app.ready
  const capture = app.capture({ heapSnapshot: true })
  const limited = new Set()
  const limiting = setInterval(() => {
    for (const shadow of app.shadows().filter((pid) => !limited.has(pid))) {
      limited.add(shadow)
      const now = /^VmSize:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${shadow}/status`, 'utf8'))
      if (now !== null) spawnSync('prlimit', [`--pid=${shadow}`, `--as=${Number(now[1]) * 1024}`])
    }
  }, 1)

  const { incident } = await capture
  clearInterval(limiting)

  assert.ok(limited.size >= 1)
  assert.equal(incident.heapSnapshot.by, 'shadow', JSON.stringify(incident.heapSnapshot))
  assert.equal((await app.capture({ floor: true })).incident.shadow.state, 'answered')
})

test('shadows killed at random moments never harm the app, and one that is let live answers', { skip, timeout: 180_000 }, async (t) => {
  const directory = makeDirectory(t)
  const app = start(t, [directory])
  await app.ready
  for (let i = 0; i < 8; i++) {
    const capture = app.capture({ heapSnapshot: true })
    const shadow = await app.shadow()
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 120))
    try {
      process.kill(shadow, 'SIGKILL')
    } catch (error) {
      assert.equal(error.code, 'ESRCH') // it was faster
    }
    const { incident } = await capture
    assert.equal(incident.heapSnapshot.state, 'written', JSON.stringify(incident.heapSnapshot))
    assert.ok(incident.heapSnapshot.countsMatch)
  }
  assert.deepEqual(app.shadows(), [])
  assert.deepEqual(fs.readdirSync(path.join(directory, 'test', 'incidents'), { recursive: true }).filter((file) => String(file).includes('tmp')), [])
})

test('a shadow goes with its app when that is killed', { skip, timeout: 60_000 }, async (t) => {
  const app = start(t, [makeDirectory(t)])
  await app.ready
  app.capture({ heapSnapshot: true }).catch(() => {})
  const shadow = await app.shadow()
  process.kill(shadow, 'SIGSTOP') // it must not end by itself

  app.child.kill('SIGKILL')
  await once(app.child, 'exit')

  await until(() => !isRunning(shadow), 'the shadow is gone')
})

test('an app that exits during a capture keeps its exit code, and its incident says why it is not complete', { skip, timeout: 60_000 }, async (t) => {
  const directory = makeDirectory(t)
  const app = start(t, [directory])
  await app.ready
  app.capture({ heapSnapshot: true }).catch(() => {})
  const shadow = await app.shadow()
  process.kill(shadow, 'SIGSTOP')

  app.child.send({ exit: 1 + 7 })
  const [code] = await once(app.child, 'exit')

  assert.equal(code, 7)
  await until(() => !isRunning(shadow), 'the shadow is gone')
  const [name] = fs.readdirSync(path.join(directory, 'test', 'incidents'))
  const incident = JSON.parse(fs.readFileSync(path.join(directory, 'test', 'incidents', name, 'incident.json')))
  assert.equal(incident.heapSnapshot.state, 'failed', JSON.stringify(incident.heapSnapshot))
})
