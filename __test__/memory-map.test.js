'use strict'

const assert = require('node:assert/strict')
const { execFile } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { promisify } = require('node:util')
const { test } = require('node:test')
const { cleanup, makeDirectory, startProbe, until } = require('./helper')

const BIN = path.join(__dirname, '..', 'bin.js')
const PARTS = [
  'v8 new space', 'v8 old space', 'v8 code', 'v8 large objects', 'v8 other', 'v8 free',
  'array buffers', 'malloc in use', 'malloc free', 'stacks', 'mapped files', 'other'
]
const MB = 1 << 20

const run = promisify(execFile)
const leakprobe = (...args) => run(process.execPath, [BIN, ...args])

/** A map that was taken after this call, bytes by part. */
async function nextMap (probe) {
  const before = probe.stats().memoryMap?.at
  return until(() => {
    const map = probe.stats().memoryMap
    return map !== null && map.at !== before && Object.fromEntries(map.parts.map(({ name, bytes }) => [name, bytes]))
  }, 'there is another memory map')
}

test('every part is told, and together they are what is resident', async (t) => {
  const probe = startProbe(t)
  const map = await nextMap(probe)
  assert.deepEqual(Object.keys(map), PARTS)
  const total = Object.values(map).reduce((sum, bytes) => sum + bytes)
  const { rss } = process.memoryUsage()
  assert.ok(Math.abs(total - rss) < 0.15 * rss, `${total} of ${rss}`)
  for (const name of ['v8 new space', 'v8 old space', 'malloc in use', 'stacks', 'mapped files']) assert.ok(map[name] > 0, name)
  assert.equal(probe.report().process.capabilities.memoryMap.state, 'native')
})

test('memory is found in the part that holds it', async (t) => {
  const probe = startProbe(t)
  const before = await nextMap(probe)

  const buffers = Array.from({ length: 40 }, () => Buffer.alloc(MB, 1))
  const objects = Array.from({ length: 400_000 }, (_, i) => ({ i, text: [i] }))
  // Where the array's own block lies is V8's choice; its objects get old in the second collection that they see.
  const grown = await until(async () => {
    const map = await nextMap(probe)
    const heap = (map) => map['v8 old space'] + map['v8 new space'] + map['v8 large objects']
    return map['array buffers'] > before['array buffers'] + 35 * MB && heap(map) > heap(before) + 20 * MB && map
  }, 'buffers and objects are seen')
  assert.equal(buffers.length + objects.length, 400_040)
  assert.ok(Math.abs(grown['malloc in use'] - before['malloc in use']) < 20 * MB, 'buffers are not counted twice')
  assert.ok(Math.abs(grown['mapped files'] - before['mapped files']) < 20 * MB)
})

test('a process is found by its id; its map is bars, a picture and JSON', async (t) => {
  const directory = makeDirectory(t)
  const probe = startProbe(t, { directory })
  await nextMap(probe)
  const home = path.join(directory, 'test')
  await until(() => fs.readdirSync(path.join(home, 'memory-maps')).length === 1)

  const { stdout } = await leakprobe('memory-map', String(process.pid))
  assert.match(stdout, /MB are resident/)
  for (const part of PARTS) assert.ok(stdout.includes(part), part)

  const picture = path.join(home, 'map.svg')
  const json = JSON.parse((await leakprobe('memory-map', home, '--json', '--svg', picture)).stdout)
  assert.equal(json.schema, 'leakprobe.memory-map/1')
  assert.equal(json.process.pid, process.pid)
  assert.ok(json.series.times.length >= 1 && json.series.parts.every(({ bytes }) => bytes.length === json.series.times.length))
  assert.match(fs.readFileSync(picture, 'utf8'), /^<svg [\s\S]*<\/svg>\n$/)
  assert.equal(fs.statSync(path.join(home, 'processes', fs.readdirSync(path.join(home, 'processes'))[0])).mode & 0o777, 0o600)

  await probe.stop()
  assert.deepEqual(fs.readdirSync(path.join(home, 'processes')), [])
  await assert.rejects(leakprobe('memory-map', String(process.pid)), /has no probe with a directory/)
  assert.equal(JSON.parse((await leakprobe('memory-map', home, '--json')).stdout).process.pid, process.pid, 'the map stays')
})

test('without a directory the map is in the stats only', async (t) => {
  const directory = makeDirectory(t)
  const before = process.cwd()
  process.chdir(directory)
  cleanup(t, () => process.chdir(before))
  const probe = startProbe(t, { directory: false })
  await nextMap(probe)
  await probe.stop()
  assert.deepEqual(fs.readdirSync(directory), [])
})

test('a folder that cannot be written to any more is told, and maps go on', async (t) => {
  const directory = makeDirectory(t)
  const probe = startProbe(t, { directory })
  await nextMap(probe)
  const home = path.join(directory, 'test')
  // A file where the folder should be: also root cannot write there.
  await until(() => {
    fs.rmSync(path.join(home, 'memory-maps'), { recursive: true, force: true })
    fs.writeFileSync(path.join(home, 'memory-maps'), '', { flag: 'wx' })
    return true
  })
  await until(() => probe.stats().cost.dropped['error: writing the memory map'] > 0)
  await nextMap(probe)
})
