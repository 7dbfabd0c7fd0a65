'use strict'

// A server of fixtures/verdict.js in a process of its own under load, and the report that it keeps current.

const { spawn } = require('node:child_process')
const fs = require('node:fs')
const http = require('node:http')
const path = require('node:path')
const { endAfter, makeDirectory } = require('./helper.js')

const SERVER = path.join(__dirname, 'fixtures', 'verdict.js')
const REGISTER = path.join(__dirname, '..', 'register.js')
const PHASE_MS = 800
const CLIENTS = 4

/**
 * Asks the routes of `weights` in a mix that changes from phase to phase, until `enough(report)` or for `atMostMs`.
 * A key of several routes, joined by `+`, asks them one after the other each time. Returns the last report.
 */
async function verdict (t, scenario, weights, enough, { atMostMs = 60_000, environment = {} } = {}) {
  const directory = makeDirectory(t)
  const file = path.join(directory, 'report.json')
  const env = { ...process.env, LEAKPROBE_PRESET: 'test', LEAKPROBE_DIRECTORY: directory, LEAKPROBE_REPORT_FILE: file, ...environment }
  const server = spawn(process.execPath, ['--require', REGISTER, SERVER, scenario], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  endAfter(t, server)
  const port = Number(await new Promise((resolve) => server.stdout.once('data', resolve)))
  const agent = new http.Agent({ keepAlive: true, maxSockets: CLIENTS })
  t.after(() => agent.destroy())
  const random = generator(scenario)
  const names = Object.keys(weights)
  const end = performance.now() + atMostMs
  let report
  do {
    const mix = names.map((name) => weights[name] * Math.exp((random() - 0.5) * 2.4))
    await phase(port, agent, names, mix, random)
    report = read(file) ?? report
  } while (performance.now() < end && !(report !== undefined && enough(report)))
  return report
}

async function phase (port, agent, names, mix, random) {
  const all = mix.reduce((sum, weight) => sum + weight, 0)
  const until = performance.now() + PHASE_MS
  const client = async () => {
    while (performance.now() < until) {
      let at = random() * all
      const name = names.find((_, index) => (at -= mix[index]) < 0) ?? names[0]
      for (const route of name.split('+')) await get(port, agent, route)
    }
  }
  await Promise.all(Array.from({ length: 1 + Math.floor(random() * CLIENTS) }, client))
}

function get (port, agent, target) {
  return new Promise((resolve, reject) => {
    http.get({ port, host: '127.0.0.1', path: target, agent }, (response) => response.resume().once('end', resolve)).once('error', reject)
  })
}

function read (file) {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}

// mulberry32, seeded by a name: the same traffic in every run.
function generator (name) {
  let state = [...name].reduce((sum, letter) => Math.imul(sum, 31) + letter.charCodeAt(0), 7) | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

module.exports = { verdict }
