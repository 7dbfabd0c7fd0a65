'use strict'

// The one table of coded errors: code -> base class and message. Codes are part of the public interface.

const TABLE = {
  LEAKPROBE_ERR_OPTION: {
    Base: TypeError,
    message: ({ option, expected, received, source }) =>
      `option ${option}${source ? ` (${source})` : ''}: expected ${expected}, received ${received}`
  },
  LEAKPROBE_ERR_CONFIG_FILE: {
    Base: Error,
    message: ({ file, line, column, reason }) =>
      `config file ${file}${line ? `, line ${line}, column ${column}` : ''}: ${reason}`
  },
  LEAKPROBE_ERR_NATIVE: {
    Base: Error,
    message: ({ platform, reason, remedy }) => `the native addon does not load on ${platform}: ${reason}. ${remedy}`
  },
  LEAKPROBE_ERR_ALREADY_STARTED: {
    Base: Error,
    message: () => 'a probe is already running in this process: expected stop() before another start()'
  },
  LEAKPROBE_ERR_WORKER: {
    Base: Error,
    message: () => 'a probe runs in the main thread only: expected start() there, received a call in a worker thread'
  },
  LEAKPROBE_ERR_STOPPED: {
    Base: Error,
    message: () => 'the probe is stopped'
  },
  LEAKPROBE_ERR_CAPTURE: {
    Base: Error,
    message: ({ reason }) => `the incident could not be captured: ${reason}`
  },
  LEAKPROBE_ERR_ARGUMENT: {
    Base: TypeError,
    message: ({ argument, expected, received }) => `argument ${argument}: expected ${expected}, received ${received}`
  },
  // The addon's own, with its own messages.
  LEAKPROBE_ERR_INTERNAL: { Base: Error },
  LEAKPROBE_ERR_DIRECTORY: { Base: Error },
  LEAKPROBE_ERR_NO_DIRECTORY: { Base: Error },
  LEAKPROBE_ERR_ALARM: { Base: Error },
  LEAKPROBE_ERR_THREAD: { Base: Error },
  LEAKPROBE_ERR_UNKNOWN_INCIDENT: { Base: Error },
  LEAKPROBE_ERR_BUSY: { Base: Error },
  LEAKPROBE_ERR_HEAP_SNAPSHOT: { Base: Error },
  LEAKPROBE_ERR_IO: { Base: Error }
}

/** Makes the error of `code`; `details` become its properties and fill its message. */
function codedError (code, details = {}) {
  const { Base, message } = TABLE[code]
  const error = new Base(message(details))
  Error.captureStackTrace(error, codedError)
  return Object.assign(error, details, { code })
}

/** Makes a real error of one that the addon threw: its message is JSON with `code` and `message`. */
function fromNative (error) {
  let parsed
  try {
    parsed = JSON.parse(error.message)
  } catch {
    return error
  }
  const Base = TABLE[parsed.code]?.Base ?? Error
  const { code, message, ...details } = parsed
  return Object.assign(new Base(message), details, { code })
}

/** A value for an error message: short, one line, with its type where the text does not tell it. */
function describe (value) {
  if (typeof value === 'string') return `"${value.length > 60 ? `${value.slice(0, 57)}...` : value}" (string)`
  if (typeof value === 'number' || typeof value === 'boolean' || value === null || value === undefined) return String(value)
  if (Array.isArray(value)) return `an array of ${value.length}`
  return `${/^[aeiou]/.test(typeof value) ? 'an' : 'a'} ${typeof value}`
}

module.exports = { codedError, fromNative, describe }
