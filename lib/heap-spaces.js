'use strict'

// What V8 says of its spaces, for the memory map: some 5 µs, once a second.

const v8 = require('node:v8')
const clock = require('./clock')

/** Between two readings, ms. */
const EVERY_MS = 1000

/** Where a space's used bytes are added, in the order that the addon reads; every space not named here at OTHER. */
const PLACES = {
  new_space: 0,
  old_space: 1,
  code_space: 2,
  code_large_object_space: 2,
  large_object_space: 3,
  new_large_object_space: 3
}
const OTHER = 4
const PHYSICAL = 5
const YOUNG_HELD = 6
const ARRAY_BUFFERS = 7

/** The young generation. */
const YOUNG = ['new_space', 'new_large_object_space']

class HeapSpaces {
  #tell
  #numbers = new Float64Array(8)
  #next = 0

  /** `tell(numbers)` takes a Float64Array: used bytes of new, old, code, large-object and other spaces, resident bytes of all, bytes that the young generation holds, array buffers. */
  constructor (tell) {
    this.#tell = tell
  }

  /** Reads when it is time. `arrayBuffers` are bytes, or below 0 when they are not known now. */
  look (arrayBuffers) {
    const now = clock.now()
    if (now < this.#next) return
    this.#next = now + EVERY_MS
    const numbers = this.#numbers
    numbers.fill(0, 0, ARRAY_BUFFERS)
    for (const { space_name: name, space_size: held, space_used_size: used, physical_space_size: physical } of v8.getHeapSpaceStatistics()) {
      numbers[PLACES[name] ?? OTHER] += used
      numbers[PHYSICAL] += physical
      if (YOUNG.includes(name)) numbers[YOUNG_HELD] += held
    }
    if (arrayBuffers >= 0) numbers[ARRAY_BUFFERS] = arrayBuffers
    this.#tell(numbers)
  }
}

module.exports = { HeapSpaces }
