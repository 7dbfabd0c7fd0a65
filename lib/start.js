'use strict'

// At most one probe per process, also when two copies of this package are installed: the running one is kept under a
// registered symbol on `process`.

const path = require('node:path')
const { codedError } = require('./errors')
const { switchedOff, whyNotNative } = require('./native')
const { OPTIONS, readOptions } = require('./options')
const { Probe } = require('./probe')
const { isWorkerThread } = require('./threads')

const kRunning = Symbol.for('leakprobe.running')

/**
 * Starts a probe. Where `leakprobe/register` has started one already, that one is returned, and `given` is only checked:
 * the options of register's (config file, environment) stay in force.
 */
function start (given) {
  if (isWorkerThread()) throw codedError('LEAKPROBE_ERR_WORKER')
  const options = readOptions(given)
  const running = process[kRunning]
  if (running?.byRegister) return running.probe
  return launchHere(options, { byRegister: false })
}

/** Starts register's probe. */
function startByRegister () {
  return launchHere(readOptions(), { byRegister: true })
}

/**
 * Whoever names a directory in the code wants evidence in it, and is told at once that it cannot be. Register's probe, and one
 * with the default directory (a container's root is often read-only), then keep nothing on disk, and say so.
 */
function launchHere (options, { byRegister }) {
  try {
    return launch(options, { byRegister })
  } catch (error) {
    const isDefault = options.directory === path.resolve(OPTIONS.directory.default)
    if (error.code !== 'LEAKPROBE_ERR_DIRECTORY' || !(byRegister || isDefault)) throw error
    const because = `nothing is kept on disk: ${error.message}`
    if (!byRegister) process.emitWarning(`leakprobe: ${because}`, { type: 'LeakprobeWarning', code: error.code })
    return launch({ ...options, directory: false }, { byRegister, capability: ['directory', 'absent', because] })
  }
}

function launch (options, { byRegister, capability }) {
  if (process[kRunning] !== undefined) throw codedError('LEAKPROBE_ERR_ALREADY_STARTED')
  const forget = () => { delete process[kRunning] }
  const probe = withoutNative(options, forget) ?? new Probe(options, forget, capability)
  Object.defineProperty(process, kRunning, { value: { probe, byRegister }, configurable: true, enumerable: false })
  return probe
}

// An application must start where the addon does not: it is told once by a warning, and for good in the capabilities.
function withoutNative (options, onStop) {
  const off = options.without.includes('native')
  const why = off ? switchedOff() : whyNotNative()
  if (why === undefined) return undefined
  if (!off) process.emitWarning(`leakprobe is not running: ${why.message}`, { type: 'LeakprobeWarning', code: why.code })
  const { NoopProbe } = require('./noop-probe')
  return new NoopProbe(options, onStop, why)
}

module.exports = { start, startByRegister }
