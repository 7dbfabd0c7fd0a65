'use strict'

// The only file that requires the addon's generated loader.

const { codedError, fromNative } = require('./errors')

/** The addon, loaded at the first call. Throws LEAKPROBE_ERR_NATIVE where it is missing or made for another platform. */
function loadNative () {
  try {
    return require('../binding.js')
  } catch (cause) {
    const error = codedError('LEAKPROBE_ERR_NATIVE', {
      platform: `${process.platform}-${process.arch}${isMusl() ? ' with musl, not glibc' : ''}, Node ${process.version}`,
      reason: String(cause?.message ?? cause).split('\n')[0]
    })
    error.cause = cause
    throw error
  }
}

function isMusl () {
  return process.platform === 'linux' && process.report?.getReport().header.glibcVersionRuntime === undefined
}

/** Calls the addon; what it throws comes out as a coded error. */
function callNative (call) {
  try {
    return call()
  } catch (error) {
    throw fromNative(error)
  }
}

module.exports = { loadNative, callNative }
