'use strict'

// Heap statistics for the addon where it cannot read V8's itself: written into cells 1 to 5 before each call.

const v8 = require('node:v8')

const CELLS = 8
const FROM_JAVASCRIPT = 0
const GC_NATIVE = 6

/** The numbers shared with the addon, with the statistics of now for its check at start. */
function makeCells () {
  const cells = new Float64Array(CELLS)
  writeHeapStatistics(cells)
  return cells
}

/** Used heap, external, total heap, heap limit and malloced memory of now, bytes. */
function writeHeapStatistics (cells) {
  const statistics = v8.getHeapStatistics()
  cells[1] = statistics.used_heap_size
  cells[2] = statistics.external_memory
  cells[3] = statistics.total_heap_size
  cells[4] = statistics.heap_size_limit
  cells[5] = statistics.malloced_memory
}

/** Notes what the addon reads by itself. */
function agree (cells, native) {
  cells[FROM_JAVASCRIPT] = native.heapNative ? 0 : 1
  cells[GC_NATIVE] = native.gcNative ? 1 : 0
}

/** Whether the addon relies on the cells. */
function needsCells (cells) {
  return cells[FROM_JAVASCRIPT] === 1
}

/** Whether the addon sees collections itself. */
function seesCollections (cells) {
  return cells[GC_NATIVE] === 1
}

module.exports = { makeCells, agree, writeHeapStatistics, needsCells, seesCollections }
