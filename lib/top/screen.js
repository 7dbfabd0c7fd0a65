'use strict'

// The terminal while it is ours: the other screen, no cursor, keys as they are pressed. `close()` gives it back as it was.

const ENTER = '\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J'
const LEAVE = '\x1b[?25h\x1b[?1049l'
const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }

class Screen {
  #out
  #in
  #open = false
  #undo = []

  /**
   * @param {{ out: import('node:tty').WriteStream, in: import('node:tty').ReadStream, onKey: (key: string) => void, onResize: () => void, onEnd: (code: number) => void }} options
   *   onEnd: a signal asks to end; the terminal is given back already
   */
  constructor ({ out, in: input, onKey, onResize, onEnd }) {
    this.#out = out
    this.#in = input
    for (const [signal, code] of Object.entries(SIGNALS)) this.#listen(process, signal, () => { this.close(); onEnd(code) })
    this.#listen(process, 'exit', () => this.close())
    this.#listen(process, 'SIGCONT', () => { this.#enter(); onResize() })
    this.#listen(out, 'resize', onResize)
    if (input.isTTY) {
      this.#listen(input, 'data', (data) => {
        for (const key of keys(String(data))) {
          if (key === '\x1a') this.#suspend()
          else onKey(key)
        }
      })
    }
    this.#enter()
  }

  get columns () {
    return this.#out.columns ?? 80
  }

  get rows () {
    return this.#out.rows ?? 24
  }

  /** Draws over what was there; nothing is cleared first, so nothing flickers. */
  draw (lines) {
    if (!this.#open) return
    this.#out.write(`\x1b[H${lines.map((line) => `${line}\x1b[K`).join('\r\n')}\x1b[J`)
  }

  close () {
    this.#leave()
    for (const undo of this.#undo.splice(0)) undo()
    this.#in.pause?.()
  }

  #listen (target, event, listener) {
    target.on(event, listener)
    this.#undo.push(() => target.removeListener(event, listener))
  }

  #enter () {
    if (this.#open) return
    this.#open = true
    if (this.#in.isTTY) {
      this.#in.setRawMode(true)
      this.#in.resume()
    }
    this.#out.write(ENTER)
  }

  #leave () {
    if (!this.#open) return
    this.#open = false
    if (this.#in.isTTY) this.#in.setRawMode(false)
    this.#out.write(LEAVE)
  }

  #suspend () {
    this.#leave()
    process.kill(process.pid, 'SIGSTOP')
  }
}

/** Letters and arrows out of what a terminal sends. */
function keys (data) {
  return data.match(/\x1b\[[0-9;]*[A-Za-z~]|\x1bO[A-Z]|[^]/g) ?? []
}

module.exports = { Screen, keys }
