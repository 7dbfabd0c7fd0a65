'use strict'

// Options: their defaults, where they come from, and what is refused. Everything that reads options later gets the
// complete, validated, frozen object made here; nobody fills in a default anywhere else.
//
// Precedence: start() > environment > config file > preset.

const path = require('node:path')
const { codedError, describe } = require('./errors')
const { readConfigFile } = require('./config-file')
const { readEnvironment } = require('./environment')
const { completeAlarms, checkAlarmNames } = require('./alarm-options')
const { completeTriggers, DEFAULT_TRIGGERS } = require('./trigger-options')
const { serviceName } = require('./service-name')
const { packageVersion } = require('./deployment')
const { environment, workingDirectory } = require('./main-script')
const check = require('./checks')

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000

/** What can be forced onto its fallback. */
const PARTS = [
  'native', 'freeze', 'native-heap-statistics', 'native-gc', 'listener-hooks', 'timer-hooks', 'loop-idle-time', 'interrupt', 'heap-limit', 'object-count', 'heap-walk',
  'listener-sites', 'timer-sites', 'heap-samples', 'native-heap-samples'
]

/**
 * Every option: how it is checked, and its default. `test` is the default under the preset `test` where it differs.
 * `environment` says how text from the environment becomes a value; without it the option cannot be given there.
 */
const OPTIONS = {
  preset: { check: check.oneOf(['production', 'test']), default: 'production', environment: 'text' },
  directory: { check: check.pathOrFalse, default: '.leakprobe', environment: 'text' },
  service: { check: check.serviceName, default: serviceName, environment: 'text' },
  routeOf: { check: check.isFunction, default: undefined },
  routes: { check: check.routeTemplates, default: [], environment: 'list' },
  maxRoutes: { check: check.integer(1, 5000), default: 500, environment: 'number' },
  windowMs: { check: check.integer(100, HOUR_MS), default: 10_000, test: 1000, environment: 'number' },
  warmUpMs: { check: check.integer(0, DAY_MS), default: 60_000, test: 2000, environment: 'number' },
  tickMs: { check: check.integer(10, 10_000), default: 250, environment: 'number' },
  redactHeapSnapshots: { check: check.isBoolean, default: false, environment: 'json' },
  heapSnapshotBy: { check: check.oneOf(['auto', 'v8', 'walk']), default: 'auto', environment: 'text' },
  floors: { check: check.oneOf(['auto', 'natural', 'forced', 'shadow']), default: 'auto', environment: 'text' },
  floorIntervalMs: { check: check.integer(100, HOUR_MS), default: 1000, environment: 'number' },
  floorPauseShare: { check: check.number(0.001, 0.5), default: 0.05, environment: 'number' },
  watchOneIn: { check: check.integer(0, 1_000_000), default: 32, test: 4, environment: 'number' },
  reportIntervalMs: { check: check.integer(100, HOUR_MS), default: 10_000, test: 1000, environment: 'number' },
  reportFile: { check: check.pathOrFalse, default: false, environment: 'text' },
  alarms: { check: completeAlarms, default: false, environment: 'json' },
  triggers: { check: completeTriggers, default: DEFAULT_TRIGGERS, environment: 'json' },
  maxIncidents: { check: check.integer(1, 10_000), default: 20, environment: 'number' },
  maxIncidentBytes: { check: check.integer(1_048_576, Number.MAX_SAFE_INTEGER), default: 1_073_741_824, environment: 'number' },
  maxIncidentAgeMs: { check: check.integer(HOUR_MS, 3650 * DAY_MS), default: 30 * DAY_MS, environment: 'number' },
  minFreeDiskBytes: { check: check.autoOr(check.integer(0, Number.MAX_SAFE_INTEGER), '"auto", or a whole number from 0'), default: 'auto', environment: 'number' },
  maxCapturesPerDay: { check: check.integer(0, 10_000), default: 24, test: 1000, environment: 'number' },
  history: { check: check.isBoolean, default: true, environment: 'json' },
  maxHistoryBytes: { check: check.integer(4_194_304, Number.MAX_SAFE_INTEGER), default: 104_857_600, environment: 'number' },
  version: { check: check.shortText(100), default: packageVersion, environment: 'text' },
  queueCapacity: { check: check.integer(64, 1_048_576), default: 16_384, environment: 'number' },
  maxFreezesPerHour: { check: check.integer(0, 10_000), default: 60, test: 3600, environment: 'number' },
  maxFreezePauseMsPerHour: { check: check.integer(0, HOUR_MS), default: 2000, test: 60_000, environment: 'number' },
  maxSnapshotPauseMs: { check: check.integer(0, HOUR_MS), default: 5000, test: 20_000, environment: 'number' },
  serve: { check: (value, at) => require('./serve-option').serveOption(value, at), default: false, environment: 'json' },
  analyzeHeapSnapshots: { check: check.isBoolean, default: true, environment: 'json' },
  without: { check: check.listOf(PARTS), default: [], environment: 'list' }
}

/** The complete options. `given` is what start() got; neither it nor anything in it is changed. */
function readOptions (given = {}, { env = environment(), cwd = workingDirectory() } = {}) {
  if (given === null || typeof given !== 'object' || Array.isArray(given)) {
    throw codedError('LEAKPROBE_ERR_OPTION', { option: 'options', expected: 'an object', received: describe(given) })
  }
  const file = readConfigFile(env.LEAKPROBE_CONFIG, cwd)
  const sources = [
    { values: given },
    readEnvironment(OPTIONS, env),
    { values: file.values, source: file.name && `config file ${file.name}` }
  ]
  for (const { values, source } of sources) refuseUnknown(values, source)

  const preset = pick('preset', sources, 'production', env)
  const options = { preset }
  for (const name of Object.keys(OPTIONS)) options[name] = pick(name, sources, preset, env)
  for (const name of ['directory', 'reportFile']) {
    if (options[name] !== false) options[name] = path.resolve(cwd, options[name])
  }
  checkAlarmNames(options)
  return Object.freeze(options)
}

function pick (name, sources, preset, env) {
  const { check, default: standard, test = standard } = OPTIONS[name]
  for (const { values, source, sourceOf } of sources) {
    if (values[name] === undefined) continue
    return check(values[name], { option: name, source: sourceOf?.(name) ?? source, preset, env })
  }
  const value = preset === 'test' ? test : standard
  if (typeof value === 'function') return value()
  return name === 'triggers' || name === 'alarms' ? check(value, { option: name, preset }) : value
}

function refuseUnknown (values, source) {
  for (const name of Object.keys(values)) {
    if (Object.hasOwn(OPTIONS, name)) continue
    throw codedError('LEAKPROBE_ERR_OPTION', {
      option: name, source, expected: `one of ${Object.keys(OPTIONS).join(', ')}`, received: 'an unknown option'
    })
  }
}

module.exports = { readOptions, OPTIONS }
