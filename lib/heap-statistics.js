'use strict'

// Heap statistics for the addon where it cannot read V8's itself: cells 1 to 5 of an array that it shares with us.

const v8 = require('node:v8')

const CELLS = 8

/** The shared numbers, with the statistics of now, against which the addon checks its own reading. */
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

module.exports = { makeCells, writeHeapStatistics }
