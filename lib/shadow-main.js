'use strict'

// What runs in a shadow: the questions are answered on descriptor 3, and the process ends. No line of the app runs here.
//
// Everything is taken at start, because the app may replace it later: a shadow must not run the app's functions.

const { writeSync } = require('node:fs')
const { getHeapStatistics, getHeapSpaceStatistics, writeHeapSnapshot } = require('node:v8')
const { collector } = require('./floors')
const { memoryUsage } = process
const { parse, stringify } = JSON
const { from } = Buffer
const { captureStackTrace } = Error
const OriginalError = Error

const OUTPUT = 3

/** Answers `text`, the questions as JSON: lines of JSON, and last a heap snapshot, raw, after its line. */
function shadowMain (text) {
  process.title = 'leakprobe-shadow'
  const questions = parse(text)
  if (questions.stack) answer({ stack: stack() })
  if (questions.floor) {
    collector()()
    answer({ floor: floor() })
  }
  if (questions.heapSnapshot) {
    answer({ heapSnapshot: 'begins' })
    writeHeapSnapshot(`/proc/self/fd/${OUTPUT}`)
  }
}

function floor () {
  const heap = getHeapStatistics()
  const memory = memoryUsage()
  return {
    heapUsed: heap.used_heap_size,
    external: heap.external_memory,
    arrayBuffers: memory.arrayBuffers,
    contexts: heap.number_of_native_contexts,
    detachedContexts: heap.number_of_detached_contexts,
    spaces: getHeapSpaceStatistics().map((space) => [space.space_name, space.space_used_size])
  }
}

// What the app thread was doing. An application may have hooked how stacks are made: not in here.
function stack () {
  OriginalError.prepareStackTrace = undefined
  OriginalError.stackTraceLimit = 200
  const holder = {}
  captureStackTrace.call(OriginalError, holder, shadowMain)
  return `${holder.stack}`
}

function answer (value) {
  let bytes = from(`${stringify(value)}\n`)
  while (bytes.length > 0) bytes = bytes.subarray(writeSync(OUTPUT, bytes))
}

module.exports = { shadowMain }
