'use strict'

// Heap snapshots read on a thread of libuv's pool: not while the app is busy, for it takes memory as well.

const { codedError, describe, fromNative } = require('./errors')
const { loadNative } = require('./native')

const ROWS = 50
const MOST_ROWS = 10_000

/** What a heap snapshot's file holds. */
async function analyzeHeapSnapshot (file, options) {
  checkFile(file, 'file')
  return read([file], options)
}

/** What grew from the first of two or more files to the last. */
async function diffHeapSnapshots (files, options) {
  if (!Array.isArray(files) || files.length < 2) refuse('files', 'an array of two or more paths', files)
  files.forEach((file, index) => checkFile(file, `files[${index}]`))
  return read(files, options)
}

async function read (files, options = {}) {
  if (options === null || typeof options !== 'object') refuse('options', 'an object', options)
  const { rows = ROWS, signal } = options
  if (!Number.isInteger(rows) || rows < 1 || rows > MOST_ROWS) refuse('rows', `a whole number from 1 to ${MOST_ROWS}`, rows)
  if (signal !== undefined && !(signal instanceof AbortSignal)) refuse('signal', 'an AbortSignal', signal)
  signal?.throwIfAborted()
  const { Cancellation, readHeapSnapshots } = loadNative()
  const cancellation = new Cancellation()
  const cancel = () => cancellation.cancel()
  signal?.addEventListener('abort', cancel, { once: true })
  try {
    return JSON.parse(await readHeapSnapshots(files, rows, cancellation))
  } catch (error) {
    signal?.throwIfAborted()
    throw fromNative(error)
  } finally {
    signal?.removeEventListener('abort', cancel)
  }
}

function checkFile (file, argument) {
  if (typeof file !== 'string' || file === '') refuse(argument, 'a path', file)
}

function refuse (argument, expected, received) {
  throw codedError('LEAKPROBE_ERR_ARGUMENT', { argument, expected, received: describe(received) })
}

module.exports = { analyzeHeapSnapshot, diffHeapSnapshots }
