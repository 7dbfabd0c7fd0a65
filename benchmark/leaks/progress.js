'use strict'

// One live line on stderr: what runs, and when all will be done at the present pace. Without a terminal a line a case.

function progressLine (total) {
  const started = Date.now()
  const live = process.stderr.isTTY
  let begun = 0
  return {
    begins (what) {
      const done = begun++
      const left = done === 0 ? '' : `, ${minutes((Date.now() - started) / done * (total - done))} left`
      const text = `${begun} of ${total}${left}: ${what}`
      process.stderr.write(live ? `\r\x1b[K${text.slice(0, (process.stderr.columns ?? 80) - 1)}` : `${text}\n`)
    },
    end () {
      if (live) process.stderr.write('\r\x1b[K')
    }
  }
}

function minutes (ms) {
  return ms < 90_000 ? `${Math.ceil(ms / 1000)} s` : `${Math.ceil(ms / 60_000)} min`
}

module.exports.progressLine = progressLine
