'use strict'

// Whether a count grows: its low of each span has risen above every earlier one, several times. A burst raises the highs
// only, and a level that is reached once rises once.

/** Looks per span: the low of so many looks counts. */
const LOOKS = 4
/** So many spans have to rise before a count is suspect. */
const RISES = 3
/** Less than this in all is no growth worth a stack. */
const LEAST = 8
/** Spans without a rise after which it is suspect no longer. */
const QUIET = 300

class Growth {
  #looks = 0
  #low = Infinity
  #level
  #first = 0
  #rises = 0
  #quiet = 0

  /** Whether it grows. */
  suspect = false

  /** Takes the count of now; returns `suspect`. */
  look (count) {
    if (count < this.#low) this.#low = count
    if (++this.#looks < LOOKS) return this.suspect
    this.#close(this.#low)
    this.#looks = 0
    this.#low = Infinity
    return this.suspect
  }

  #close (low) {
    if (this.#level === undefined || low < this.#level / 2) {
      // New, or most of it has gone: what comes now is another growth.
      this.#level = this.#first = low
      this.#rises = this.#quiet = 0
      this.suspect = false
    } else if (low > this.#level) {
      this.#level = low
      this.#rises++
      this.#quiet = 0
      if (this.#rises >= RISES && low - this.#first >= LEAST) this.suspect = true
    } else if (++this.#quiet >= QUIET) {
      this.#first = low
      this.#level = low
      this.#rises = this.#quiet = 0
      this.suspect = false
    }
  }
}

module.exports = { Growth }
