'use strict'

// A heap snapshot needs many times its heap: when there is no room for it, it is refused and nothing is killed.

const assert = require('node:assert/strict')
const fs = require('node:fs')
const path = require('node:path')
const { test } = require('node:test')
const { CAPTURES, isRoot, skip, start } = require('./captured-app.js')
const { cleanup, makeDirectory } = require('./helper.js')

const MB = 1024 * 1024
const LIMIT = 512 * MB
const groups = skip || !isRoot ? undefined : memoryGroups()
const inGroup = { skip: skip || (groups === undefined && 'no memory cgroup can be made'), timeout: 180_000 }
const SECOND_READING_MS = 1500 // the cgroup is read once a second

test('in 512 MB a heap of 200 MB gives its floor, census, what keeps a leaked request, and a redacted heap snapshot', { ...inGroup, skip: inGroup.skip || process.arch !== 'x64' }, async (t) => {
  const app = await startInGroup(t, 2_500_000, 0, { REDACT: '1', LEAKED: '300' })

  const { incident, capabilities } = await app.capture({ heapSnapshot: true })

  assert.equal(capabilities.heapWalk.state, 'native', capabilities.heapWalk.because)
  const { state, generator, countsMatch, nodeCount, redacted } = incident.heapSnapshot
  assert.deepEqual([state, generator, countsMatch, redacted], ['written', 'walk', true, true], JSON.stringify([incident.heapSnapshot, incident.shadow]))
  assert.equal(incident.walk.state, 'answered')
  assert.ok(nodeCount > 5_000_000)
  assert.ok(incident.floor.heapUsed > 200e6, `${incident.floor.heapUsed}`)
  assertOneShadow(incident.shadow)
  assert.equal(app.killed(), 0, 'the kernel killed nothing')
  const { walk: { classes, watched } } = JSON.parse(fs.readFileSync(path.join(incident.directory, incident.walk.file), 'utf8'))
  assert.ok(classes.find((one) => one.class === 'Object').count >= 2_500_000)
  assert.ok(watched.some(({ path: steps }) => /open: Set/.test(steps.join(' '))), JSON.stringify(watched))
})

test('in 512 MB a heap of 150 MB gives floor and stack, and V8 has no room for its heap snapshot: refused with both numbers', inGroup, async (t) => {
  const app = await startInGroup(t, 2_000_000, 0, { HEAP_SNAPSHOT_BY: 'v8' })

  for (const attempt of ['first', 'second']) {
    const { incident } = await app.capture({ heapSnapshot: true })

    assert.equal(incident.heapSnapshot.state, 'refused', `${attempt}: ${JSON.stringify(incident.heapSnapshot)}`)
    assert.match(incident.heapSnapshot.because, /^a heap of \d+ objects needs about \d+ MB to be written, and a shadow may take \d+ MB$|^the shadow had taken \d+ MB of the \d+ MB that it was given before it had counted the objects$/)
    assert.equal(incident.shadow.state, 'answered', JSON.stringify(incident.shadow))
    assertOneShadow(incident.shadow)
    assert.ok(incident.floor.heapUsed > 120e6, `${incident.floor.heapUsed}`)
    assert.ok(fs.existsSync(path.join(incident.directory, 'stack.txt')))
  }
  assert.equal(app.killed(), 0, 'the kernel killed nothing')
})

test('a shadow that needs more than it counted ends at its limit, not the app, and is not tried again', inGroup, async (t) => {
  const app = await startInGroup(t, 1000, 90_000) // arrays of references: few objects, and very many edges

  const { incident } = await app.capture({ heapSnapshot: true })

  assert.equal(incident.heapSnapshot.state, 'failed', JSON.stringify(incident.heapSnapshot))
  assert.match(incident.heapSnapshot.because, /the shadow had taken \d+ MB of the \d+ MB that it was given/)
  assert.equal(incident.shadow.state, 'answered', JSON.stringify(incident.shadow))
  assertOneShadow(incident.shadow)
  assert.ok(incident.floor.heapUsed > 50e6)
  assert.equal(app.killed(), 0, 'the kernel killed nothing')
  const { shadow } = (await app.capture({ floor: true })).incident
  assert.equal(shadow.state, 'answered', JSON.stringify(shadow))
})

test('a small heap is written in the same 512 MB', inGroup, async (t) => {
  const app = await startInGroup(t, 20_000)

  const { incident } = await app.capture({ heapSnapshot: true })

  assert.deepEqual([incident.heapSnapshot.state, incident.heapSnapshot.by], ['written', 'shadow'], JSON.stringify(incident.heapSnapshot))
  assert.equal(app.killed(), 0)
})

test('the number of objects counted is the number of objects written, within one per cent', { skip, timeout: 120_000 }, async (t) => {
  const app = start(t, [makeDirectory(t)])
  await app.ready

  const { incident: { heapSnapshot }, capabilities } = await app.capture({ heapSnapshot: true })

  assert.equal(capabilities.objectCount.state, 'native')
  assert.equal(heapSnapshot.state, 'written')
  assert.ok(heapSnapshot.nodeCount > 200_000)
  assert.ok(Math.abs(heapSnapshot.objects / heapSnapshot.nodeCount - 1) < 0.01, `${heapSnapshot.objects} of ${heapSnapshot.nodeCount}`)
})

test('without the count the bytes of the heap decide', inGroup, async (t) => {
  const app = await startInGroup(t, 2_000_000, 0, { WITHOUT: 'object-count' })

  const { incident, capabilities } = await app.capture({ heapSnapshot: true })

  assert.equal(capabilities.objectCount.state, 'fallback')
  assert.equal(incident.heapSnapshot.state, 'refused')
  assert.match(incident.heapSnapshot.because, /a heap of \d+ MB needs about \d+ MB to be written, and \d+ MB can be had/)
  assert.equal(incident.shadow.state, 'answered')
})

test('a reader that hardly reads makes the shadow wait, and the heap snapshot is whole', { skip, timeout: 120_000 }, async (t) => {
  const app = start(t, [makeDirectory(t)])
  await app.ready
  const capture = app.capture({ heapSnapshot: true })
  await app.shadow()
  let stops = 0
  // The thread that reads belongs to the app: stopped, it leaves the pipe full.
  while (app.shadows().length > 0) {
    app.child.kill('SIGSTOP')
    await wait(50)
    stops++
    app.child.kill('SIGCONT')
    await wait(2)
  }

  const { incident } = await capture

  assert.ok(stops > 2, `${stops}`)
  assert.equal(incident.heapSnapshot.state, 'written', JSON.stringify(incident.heapSnapshot))
  assert.equal(incident.heapSnapshot.by, 'shadow')
  assert.ok(incident.heapSnapshot.countsMatch)
  assertOneShadow(incident.shadow)
})

/** There was one shadow. On a busy machine the freeze itself may have had to be tried again. */
function assertOneShadow ({ attempts, retriedBecause }) {
  if (retriedBecause !== undefined) assert.match(retriedBecause, /^no shadow could be made: threads did not come to rest/)
  else assert.equal(attempts, 1)
}

/** An app of the fixture in a cgroup of its own with 512 MB; `killed()`, how often the kernel killed in it. */
async function startInGroup (t, objects, references = 0, environment = {}) {
  const group = fs.mkdtempSync(path.join(groups.root, 'leakprobe-test-'))
  fs.writeFileSync(path.join(group, groups.limit), `${LIMIT}`)
  cleanup(t, () => removeGroup(group))
  const script = 'echo $$ > "$1/cgroup.procs" && shift && exec "$@"'
  const args = [script, 'sh', group, process.execPath, CAPTURES, makeDirectory(t), `${objects}`, `${references}`]
  const app = start(t, args, 'sh', ['-c'], { env: { ...process.env, ...environment } })
  await app.ready
  await wait(SECOND_READING_MS)
  const killed = () => Number(/^oom_kill (\d+)/m.exec(fs.readFileSync(path.join(group, groups.events), 'utf8'))?.[1] ?? 0)
  return { ...app, killed }
}

async function removeGroup (group) {
  for (let tries = 0; tries < 100; tries++) {
    try {
      return fs.rmdirSync(group)
    } catch {
      await wait(50) // its process is still ending
    }
  }
}

/** Where cgroups with a memory limit can be made, of version 1 or 2. */
function memoryGroups () {
  const places = [
    { root: '/sys/fs/cgroup/memory', limit: 'memory.limit_in_bytes', events: 'memory.oom_control' },
    { root: '/sys/fs/cgroup', limit: 'memory.max', events: 'memory.events' }
  ]
  return places.find(({ root, limit }) => {
    let group
    try {
      group = fs.mkdtempSync(path.join(root, 'leakprobe-test-'))
      return fs.existsSync(path.join(group, limit))
    } catch {
      return false
    } finally {
      if (group !== undefined) fs.rmdirSync(group)
    }
  })
}

function wait (ms) {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
