'use strict'

// What the narrator knows, it knows from the files that leakprobe writes: the server is not asked, so it is not disturbed.

const fs = require('node:fs')
const path = require('node:path')

/** A view of one service's directory. Each method answers with what is there now, or undefined. */
class Watch {
  #directory
  #pid

  constructor (directory, service, pid) {
    this.#directory = path.join(directory, service)
    this.#pid = pid
  }

  get directory () {
    return this.#directory
  }

  report () {
    return readJson(path.join(this.#directory, 'report.json'))
  }

  /** The incident that a trigger wrote, as soon as it is on disk; its heap snapshot may still be pending. */
  incident () {
    const folder = path.join(this.#directory, 'incidents')
    const name = list(folder).filter((name) => !name.startsWith('.')).sort()[0]
    if (name === undefined) return undefined
    const record = readJson(path.join(folder, name, 'incident.json'))
    return record && { directory: path.join(folder, name), record }
  }

  /** Resident memory of the server, bytes; Linux only. */
  residentBytes () {
    try {
      const status = fs.readFileSync(`/proc/${this.#pid}/status`, 'latin1')
      return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024 || undefined
    } catch {
      return undefined
    }
  }
}

function list (folder) {
  try {
    return fs.readdirSync(folder)
  } catch {
    return []
  }
}

function readJson (file) {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}

module.exports.Watch = Watch
