'use strict'

// Notices what happens and puts each thing into one line, once.

const { bytes, estimate } = require('./format.js')

class Story {
  #say
  #warmUpMs
  #warm = false
  #leaks = new Set()
  #incident = 'none'

  /** @param {(text: string) => void} say @param {{ warmUpMs: number }} options */
  constructor (say, { warmUpMs }) {
    this.#say = say
    this.#warmUpMs = warmUpMs
  }

  takeReport (report) {
    if (!this.#warm && report.process.uptimeMs >= this.#warmUpMs) {
      this.#warm = true
      this.#say('warm: from now on leakprobe compares what is kept with who was served')
    }
    for (const leak of report.leaks) {
      if (this.#leaks.has(leak.id)) continue
      this.#leaks.add(leak.id)
      this.#say(`leak found on ${leak.routes.join(' or ')}: ${what(leak)} kept per request`)
    }
  }

  takeIncident ({ directory, record }) {
    const state = record.heapSnapshot?.state ?? 'not asked for'
    if (this.#incident === 'none') {
      this.#say(`threshold tripped: ${record.trip?.because ?? record.reason}`)
      this.#incident = 'tripped'
    }
    if (this.#incident === 'written' || state === 'pending') return
    this.#incident = 'written'
    const { pauseMs, compressedBytes } = record.heapSnapshot ?? {}
    const snapshot = pauseMs === undefined
      ? `heap snapshot: ${state}`
      : `heap snapshot${compressedBytes === undefined ? '' : ` of ${bytes(compressedBytes)}`}, pause of ${Math.round(pauseMs)} ms`
    this.#say(`incident written: ${snapshot}`)
    return directory
  }

  /** Whether there is an incident and nothing of it is pending. */
  get incidentIsWritten () {
    return this.#incident === 'written'
  }
}

function what (leak) {
  return leak.resource === 'heap' ? `${estimate(leak.perRequest)} of heap` : `${estimate(leak.perRequest)} ${leak.resource}`
}

module.exports.Story = Story
