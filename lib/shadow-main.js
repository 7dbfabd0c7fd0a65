'use strict'

// What runs in a shadow: the questions are answered on descriptor 3, and the process ends. No line of the app runs here.
//
// Everything is taken at start, because the app may replace it later: a shadow must not run the app's functions.

const { writeSync } = require('node:fs')
const { getHeapStatistics, getHeapSpaceStatistics, writeHeapSnapshot } = require('node:v8')
const { collector } = require('./floors')
const { mayWrite, streamHeapSnapshot } = require('./heap-snapshot-file')
const { memoryUsage } = process
const { parse, stringify } = JSON
const { from } = Buffer
const { captureStackTrace } = Error
const { set } = Reflect
const OriginalError = Error

const OUTPUT = 3

/** A function that answers the questions it gets as JSON: in lines of JSON, and last a heap snapshot, raw, after its line. */
function makeShadowMain (watched, native) {
  return function shadowMain (text) {
    process.title = 'leakprobe-shadow'
    const questions = parse(text)
    if (questions.stack) answer({ stack: stack(shadowMain) })
    if (questions.floor) {
      if (!native.collectInShadow()) collectTwice()
      answer({ floor: floor(watched) })
    }
    const walked = questions.walk ? walk(questions, native) : undefined
    if (questions.heapSnapshot) heapSnapshot(questions, walked, native)
    else answer({ youngGenerationReserve: native.youngGenerationReserveInShadow() })
  }
}

// V8's generator needs many times the heap in memory, the walk less than half of it: it writes what V8 has no room for.
// A walk that failed its own test writes nothing.
function heapSnapshot ({ floor, generator, count }, walked, native) {
  const canWalk = walked !== undefined && generator !== 'v8'
  const needed = canWalk && generator === 'walk' ? undefined : wanting(count, walked, native)
  const file = `/proc/self/fd/${OUTPUT}`
  const inFile = mayWrite(file)
  if (canWalk && (generator === 'walk' || needed !== undefined || !inFile)) {
    answer({ generator: 'walk' })
    answer({ heapSnapshot: 'begins' })
    native.writeHeapSnapshotInShadow({}, floor === true)
  } else if (needed !== undefined) {
    answer({ noRoom: needed })
  } else {
    answer({ heapSnapshot: 'begins' })
    if (inFile) writeHeapSnapshot(file)
    else streamHeapSnapshot(OUTPUT)
  }
}

// V8's generator cannot be stopped for want of memory: it aborts. What it will need follows from the number of objects: bytes
// where that is more than there are, undefined elsewhere. Counting by V8 takes memory itself; a walk has counted already.
function wanting (count, walked, native) {
  if (count === undefined) return
  const objects = walked ?? native.countObjectsInShadow()
  if (objects === null) return
  answer({ objects })
  const needed = objects * count.bytesPerObject
  return count.room === null || needed <= count.room ? undefined : needed
}

// A frame of its own, so that nothing holds the function's context afterwards.
function collectTwice () {
  const collect = collector()
  collect()
  collect()
}

class LeakprobePlanted {}
class LeakprobeWeak {}
const PLANTED = 1000
const planted = []
const ephemerons = new WeakMap()

// The walk tests itself on what is planted: objects that a variable holds, and entries of a weak map
// whose keys nobody holds. Returns the number of live objects, where it succeeded.
function walk ({ floor, retainers, retainersRoom }, native) {
  plant()
  const question = {
    own: __dirname,
    collected: floor,
    retainers,
    retainersRoom,
    planted: {
      class: LeakprobePlanted.name,
      count: PLANTED,
      variable: 'planted',
      weakClass: LeakprobeWeak.name,
      used: getHeapStatistics().used_heap_size
    }
  }
  answer({ walkBegins: true })
  const line = native.walkInShadow(stringify(question), planted[0])
  if (line !== null) write(line)
  planted.length = 0 // garbage to the heap snapshot that may follow
  return line === null ? undefined : parse(line).walk?.liveObjects
}

function plant () {
  for (let index = 0; index < PLANTED; index++) planted.push(new LeakprobePlanted())
  for (let index = 0; index < 8; index++) ephemerons.set(new LeakprobeWeak(), new LeakprobeWeak())
}

function floor (watched) {
  const heap = getHeapStatistics()
  const memory = memoryUsage()
  return {
    heapUsed: heap.used_heap_size,
    external: heap.external_memory,
    arrayBuffers: memory.arrayBuffers,
    contexts: heap.number_of_native_contexts,
    detachedContexts: heap.number_of_detached_contexts,
    spaces: getHeapSpaceStatistics().map((space) => [space.space_name, space.space_used_size]),
    watched: watched.count()
  }
}

// What the app thread was doing. An application may have hooked how stacks are made: not in here.
function stack (below) {
  // With --frozen-intrinsics nobody has, and these are refused.
  set(OriginalError, 'prepareStackTrace', undefined)
  set(OriginalError, 'stackTraceLimit', 200)
  const holder = {}
  captureStackTrace.call(OriginalError, holder, below)
  return `${holder.stack}`
}

function answer (value) {
  write(stringify(value))
}

function write (line) {
  let bytes = from(`${line}\n`)
  while (bytes.length > 0) bytes = bytes.subarray(writeSync(OUTPUT, bytes))
}

module.exports = { makeShadowMain }
