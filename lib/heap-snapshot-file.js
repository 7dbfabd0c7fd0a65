'use strict'

// V8's heap snapshot where it cannot be written to a path.

const { writeSync } = require('node:fs')
const { getHeapSnapshot } = require('node:v8')
const { permission } = process

/** Whether Node's permission model lets V8 write to `path`; without that model: yes. */
function mayWrite (path) {
  return permission === undefined || permission.has('fs.write', path)
}

/** Writes it to a descriptor. The whole of it is in memory for a moment, twice its heap: the generator needs more than that before. */
function streamHeapSnapshot (fd) {
  const stream = getHeapSnapshot()
  for (let chunk = stream.read(); chunk !== null; chunk = stream.read()) {
    for (let left = chunk; left.length > 0;) left = left.subarray(writeSync(fd, left))
  }
}

module.exports = { mayWrite, streamHeapSnapshot }
