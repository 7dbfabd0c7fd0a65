'use strict'

// The table of hypotheses: for each a real process in that trouble, and one in none. Every trouble has to be supported, and nothing in the
// steady one; what else a trouble supports is told, with whether that is so.
//
//   npm run bench:hypotheses [-- --only cpu,handle-leak]

const { spawn, spawnSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { createInterface } = require('node:readline')
const { parseArgs } = require('node:util')

const FIXTURE = path.join(__dirname, '..', '__test__', 'fixtures', 'hypothesis.js')
const LIMIT_MS = 90_000
const LEAST_MS = 16_000
const EVERY_MS = 1000
const MB = 1 << 20
const MEMORY_LIMIT = 160 * MB
/** When pages begin to be taken away, and how often. */
const RECLAIM = { afterMs: 8000, everyMs: 50 }

/** What a trouble brings with it by its nature. Who has to read its code from disk again does so in collections, too. */
const BRINGS = {
  'steady': [],
  'js-heap-leak': [],
  'native-leak': [],
  'handle-leak': [],
  'malloc-fragmentation': [],
  'v8-fragmentation': [],
  'page-faults': ['cpu', 'gc-pressure', 'blocked-event-loop'],
  'gc-pressure': ['cpu', 'blocked-event-loop'],
  'heap-limit': [],
  'cgroup-limit': [],
  'cpu': ['blocked-event-loop'],
  'cpu-throttled': ['blocked-event-loop'],
  'blocked-event-loop': [],
  'load-increase': []
}
const FLAGS = { 'heap-limit': ['--max-old-space-size=96'] }
const NAME = { 'cpu-throttled': 'cpu' }
/** Those that befall a steady server from outside. */
const MADE_OUTSIDE = ['cpu-throttled', 'page-faults']

async function main () {
  const { values } = parseArgs({ options: { only: { type: 'string' } } })
  const cases = Object.keys(BRINGS).filter((name) => values.only === undefined || values.only.split(',').includes(name))
  process.stdout.write(`node ${process.version}, ${os.cpus().length} CPUs, load ${os.loadavg()[0].toFixed(1)}\n\n`)
  let wrong = 0
  for (const name of cases) {
    const box = boxOf(name)
    if (box?.impossible !== undefined) {
      process.stdout.write(`${name.padEnd(22)} not made here: ${box.impossible}\n`)
      continue
    }
    const result = await run(name, box).finally(() => box?.remove())
    if (!result.right) wrong++
    process.stdout.write(`${name.padEnd(22)} ${result.right ? 'right' : 'WRONG'}  ${result.said}\n`)
  }
  process.stdout.write(`\n${cases.length - wrong} of ${cases.length} right\n`)
  process.exitCode = wrong === 0 ? 0 : 1
}

async function run (name, box) {
  const trouble = MADE_OUTSIDE.includes(name) ? 'steady' : name
  const node = box?.node ?? process.execPath
  const child = spawn(node, ['--expose-gc', ...FLAGS[name] ?? [], FIXTURE, trouble], { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...box?.env } })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  try {
    box?.enter(child.pid)
    const wanted = NAME[name] ?? name
    const began = Date.now()
    let told
    while (Date.now() - began < LIMIT_MS) {
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS))
      child.stdin.write('\n')
      const line = await Promise.race([lines.next(), silence()])
      if (line === undefined) return { right: false, said: `the process has not answered for ${LIMIT_MS / 1000} s` }
      const { value, done } = line
      if (done) return { right: false, said: `the process has ended (${child.exitCode ?? child.signalCode})` }
      told = JSON.parse(value)
      const enough = Date.now() - began >= (name === 'steady' ? 2 * LEAST_MS : LEAST_MS)
      if (enough && (name === 'steady' || told[wanted].state === 'supported')) break
    }
    const supported = Object.keys(told).filter((one) => told[one].state === 'supported')
    const unknown = Object.keys(told).filter((one) => told[one].state === 'not enough data')
    // Who waits for a CPU on a busy machine does so: that is no mistake of the table's.
    const ofTheMachine = (one) => one === 'cpu' && told.cpu.numbers.queuedShare >= 0.1
    const beside = supported.filter((one) => one !== wanted && !BRINGS[name].includes(one) && !ofTheMachine(one))
    const right = (name === 'steady' || supported.includes(wanted)) && beside.length === 0
    const because = name === 'steady' ? `${12 - supported.length - unknown.length} ruled out` : told[wanted].because
    const also = supported.filter((one) => one !== wanted).map((one) => `${one}: ${told[one].because}`)
    return { right, said: [because, ...also.map((one) => `also ${one}`), ...unknown.length > 0 ? [`not enough data for ${unknown.join(', ')}`] : []].join('\n' + ' '.repeat(30)) }
  } finally {
    child.kill('SIGKILL')
    await new Promise((resolve) => child.exitCode !== null || child.signalCode !== null ? resolve() : child.once('exit', resolve))
  }
}

/** Resolves when nobody can be waited for any longer. */
function silence () {
  return new Promise((resolve) => setTimeout(resolve, LIMIT_MS).unref())
}

/** A cgroup (version 1, as root) with the limit that the trouble needs. */
function boxOf (name) {
  const controller = { 'cpu-throttled': 'cpu', 'cgroup-limit': 'memory', 'page-faults': 'memory' }[name]
  if (controller === undefined) return undefined
  const folder = path.join('/sys/fs/cgroup', controller, `leakprobe-${process.pid}`)
  const set = (file, value) => fs.writeFileSync(path.join(folder, file), String(value))
  try {
    fs.mkdirSync(folder)
    if (controller === 'cpu') {
      set('cpu.cfs_period_us', 100_000)
      set('cpu.cfs_quota_us', 5000)
    } else {
      set('memory.limit_in_bytes', MEMORY_LIMIT)
    }
  } catch (error) {
    return { impossible: `no cgroup can be made (${error.code})` }
  }
  const box = {
    env: { MEMORY_LIMIT, MEMORY_USAGE: path.join(folder, 'memory.usage_in_bytes') },
    enter: (pid) => set('cgroup.procs', pid),
    remove: () => {
      clearTimeout(box.timer)
      try { fs.rmdirSync(folder) } catch { /* Its last process is not gone yet. */ }
      if (box.node !== undefined) fs.rmSync(path.dirname(box.node), { recursive: true })
    }
  }
  if (name === 'page-faults') {
    // An executable of its own: the pages of one that others run are not this cgroup's.
    box.node = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'leakprobe-node-')), 'node')
    fs.copyFileSync(process.execPath, box.node)
    // And out of the page cache, where they are counted for whoever wrote them.
    spawnSync('dd', [`if=${box.node}`, 'iflag=nocache', 'count=0'], { stdio: 'ignore' })
    // What a machine short of memory does: the kernel takes the executable's pages, and the process reads them again.
    const reclaim = () => {
      set('memory.force_empty', 0)
      box.timer = setTimeout(reclaim, RECLAIM.everyMs)
    }
    box.timer = setTimeout(reclaim, RECLAIM.afterMs)
  }
  return box
}

main()
