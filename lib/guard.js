'use strict'

// Between Node, which calls, and our code, which may be wrong: an error of ours must never become one of the application's.

/** So many errors of one part, and it is switched off. */
const MOST_ERRORS = 16

/**
 * Returns `guard(part, call, off)`: a function for Node to call with one argument and its own `this`. What `call` throws is
 * told as the capability `part` and to `failed(error)`; after 16 errors `off()` ends the part.
 */
function createGuard ({ setCapability, failed }) {
  return function guard (part, call, off) {
    let errors = 0

    function fail (error) {
      if (++errors > MOST_ERRORS) return
      const isOff = errors === MOST_ERRORS
      try {
        if (isOff) off()
        setCapability(part, isOff ? 'off' : 'fallback', `${errors === 1 ? 'an error' : `${errors} errors`} inside the probe, the last: ${error?.stack ?? error}`)
        if (errors === 1) failed(error)
      } catch {} // nobody is left to tell
    }

    return function guarded (argument) {
      try {
        return call.call(this, argument)
      } catch (error) {
        fail(error)
      }
    }
  }
}

module.exports = { createGuard, MOST_ERRORS }
