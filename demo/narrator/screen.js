'use strict'

// Where the narrator speaks: a terminal, where a block at the bottom is redrawn in place and what is said scrolls above it;
// a pipe, which gets what is said and the block every few seconds; or nobody.

const PLAIN_INTERVAL_MS = 10_000

class TerminalScreen {
  #out
  #drawn = 0

  constructor (out) {
    this.#out = out
    out.write('\x1b[?25l')
  }

  get columns () {
    return this.#out.columns ?? 80
  }

  say (text) {
    this.#erase()
    this.#out.write(`${text}\n`)
  }

  /** Draws the block anew; lines must fit the width, else they would wrap and the next erasing would miss some. */
  draw (lines) {
    const fitting = lines.slice(0, Math.max(0, (this.#out.rows ?? 24) - 2))
    this.#erase()
    this.#out.write(fitting.map((line) => `${line}\n`).join(''))
    this.#drawn = fitting.length
  }

  /** Leaves the last block standing. */
  close () {
    this.#drawn = 0
    this.#out.write('\x1b[?25h')
  }

  #erase () {
    if (this.#drawn > 0) this.#out.write(`\x1b[${this.#drawn}A\x1b[J`)
    this.#drawn = 0
  }
}

class PlainScreen {
  columns = 120
  #out
  #drawnAt = Date.now()

  constructor (out) {
    this.#out = out
  }

  say (text) {
    this.#out.write(`${text}\n`)
  }

  draw (lines) {
    if (Date.now() - this.#drawnAt < PLAIN_INTERVAL_MS) return
    this.#drawnAt = Date.now()
    this.#out.write(`${lines.join('\n')}\n\n`)
  }

  close () {}
}

class SilentScreen {
  columns = 120
  say () {}
  draw () {}
  close () {}
}

/** @param {{ json: boolean }} options in JSON mode nothing but the JSON may be on stdout */
function openScreen ({ json }) {
  if (json) return new SilentScreen()
  return process.stdout.isTTY ? new TerminalScreen(process.stdout) : new PlainScreen(process.stdout)
}

module.exports.openScreen = openScreen
