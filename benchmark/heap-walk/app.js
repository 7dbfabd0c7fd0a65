'use strict'

// An app whose heap is walked: node app.js <directory> objects|mixed <MB>, or <directory> stress|stalled <walks>

const fs = require('node:fs')
const path = require('node:path')
const { start } = require('../../index.js')

const [, , directory, shape, amount] = process.argv
const keep = []
const STALL_MS = 100
const stalled = { name: 'stalled', when: { type: 'stall', aboveMs: STALL_MS }, warmUpMs: 0, cooldownMs: 0, maxPerHour: 3600 }
const triggers = shape === 'stalled' ? [stalled] : false
const probe = start({ directory, service: 'bench', preset: 'test', floors: 'natural', triggers, maxIncidents: 50, maxFreezesPerHour: 10_000, maxFreezePauseMsPerHour: 3_600_000 })

class Planted { constructor (i) { this.i = i } }

const MAKE = {
  objects: (i) => ({ id: i, name: `user${i}`, tags: [`a${i}`, `b${i % 100}`], at: { x: i * 1.5 } }),
  mixed: (i) => [new Map([[i, `value ${i}`]]), () => keep[i], 'x'.repeat(40) + i, Buffer.from(`buffer ${i}`), { [`k${i % 50}`]: i, list: [i, i + 0.5] }, new Array(12).fill(i)]
}

async function compare () {
  for (let i = 0; process.memoryUsage().heapUsed < Number(amount) * 2 ** 20; i++) for (let k = 0; k < 500; k++) keep.push(MAKE[shape](keep.length))
  const floor = await probe.capture({ floor: true })
  const analysis = JSON.parse(fs.readFileSync(path.join(floor.directory, 'analysis.json'))).walk
  const walk = { ms: analysis.enumerateMs + analysis.reachMs + analysis.tellMs, memoryMb: analysis.memory / 2 ** 20 }
  const dominators = { ms: analysis.retainedMs, memoryMb: analysis.retainedMemory / 2 ** 20 }
  if (analysis.noRetainers !== null) throw new Error(analysis.noRetainers)
  const { heapSnapshot, shadow } = await probe.capture({ heapSnapshot: true })
  if (heapSnapshot.state !== 'written') throw new Error(JSON.stringify(heapSnapshot))
  // The collections and the walk are in both shadows.
  const snapshot = { ms: shadow.cpuMs - floor.shadow.cpuMs, memoryMb: (shadow.ownBytes - floor.shadow.ownBytes) / 2 ** 20 }
  return { heapMb: analysis.bytes / 2 ** 20, walk, dominators, snapshot }
}

// After a collection, or in the midst of a loop that allocates and lets nothing else run, without one.
async function stress (walk) {
  const planted = Array.from({ length: 100_000 }, (_, i) => new Planted(i))
  const allocate = () => {
    const garbage = Array.from({ length: 30_000 }, (_, i) => ({ i, text: `s${i}`, self: () => garbage }))
    for (let i = 0; i < 500; i++) planted[Math.trunc(Math.random() * planted.length)] = new Planted(i)
  }
  const busy = setInterval(allocate, 3)
  const [told, because] = [{ walks: Number(amount), firstTry: 0, answered: 0, exact: 0 }, {}]
  for (let i = 0; i < told.walks; i++) {
    const incident = await walk(allocate)
    if (incident.walk?.state !== 'answered') {
      const why = incident.walk?.because ?? incident.shadow.because ?? incident.shadow.state
      because[why] = (because[why] ?? 0) + 1
      continue
    }
    told.answered++
    if (incident.shadow.attempts === 1) told.firstTry++
    const { classes } = JSON.parse(fs.readFileSync(path.join(incident.directory, 'analysis.json'))).walk
    if (classes.find((one) => one.class === 'Planted')?.count === planted.length) told.exact++
  }
  clearInterval(busy)
  return { ...told, because }
}

function collected () {
  return probe.capture({ floor: true })
}

function uncollected (allocate) {
  return new Promise((resolve) => {
    // Now and then a stall is over before anybody has seen it.
    const stall = setInterval(() => {
      for (const until = Date.now() + STALL_MS * 3; Date.now() < until;) allocate()
    }, STALL_MS)
    let id
    probe.on('incident', function seen (incident) {
      // On a busy machine the app stalls by itself, too.
      if (incident.shadow.because === 'another shadow is at work') return
      clearInterval(stall)
      id ??= incident.id
      if (incident.id !== id || incident.shadow.state === 'pending') return
      probe.removeListener('incident', seen)
      resolve(incident)
    })
  })
}

const RUNS = { stress: () => stress(collected), stalled: () => stress(uncollected) }

const run = RUNS[shape] ?? compare
run().then((told) => process.send(told, () => process.exit(0)))
