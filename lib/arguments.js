'use strict'

// Checks of what the probe's methods get. Each throws LEAKPROBE_ERR_ARGUMENT.

const { codedError, describe } = require('./errors')

/** What `capture()` got, complete. */
function captureOptions ({ heapSnapshot = false, floor = false, reason = 'manual' } = {}) {
  if (typeof heapSnapshot !== 'boolean') refuse('heapSnapshot', 'true or false', heapSnapshot)
  if (typeof floor !== 'boolean') refuse('floor', 'true or false', floor)
  if (typeof reason !== 'string' || !/^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$/.test(reason)) {
    refuse('reason', 'a name of 1 to 40 letters, digits, dots, dashes and underscores', reason)
  }
  return { heapSnapshot, floor, reason }
}

function checkTrack (name, work) {
  checkName(name)
  if (typeof work !== 'function') refuse('work', 'a function', work)
}

function checkSetRoute (request, name) {
  checkName(name)
  if (request === null || typeof request !== 'object') refuse('request', 'a request', request)
}

function checkName (name) {
  if (typeof name !== 'string' || name === '') refuse('name', 'a string that is not empty', name)
}

function refuse (argument, expected, received) {
  throw codedError('LEAKPROBE_ERR_ARGUMENT', { argument, expected, received: describe(received) })
}

module.exports = { captureOptions, checkSetRoute, checkTrack }
