'use strict'

// The option `alarms`. The addon checks and completes it, as it does triggers; here `env:NAME` becomes what the environment has.
// URLs and keys are secrets: they are in no message.

const { codedError } = require('./errors')
const { completeWith } = require('./trigger-options')

/** Fields that may stand in the environment instead: secrets do not belong into files. */
const SECRETS = ['url', 'key']
const FROM_ENVIRONMENT = /^env:([A-Za-z_][A-Za-z0-9_]*)$/

/** The complete alarms, `[]` for `false`. Throws the first problem; the error has all of them under `problems`. */
function completeAlarms (value, at) {
  const alarms = Array.isArray(value) ? value.map((alarm, index) => resolved(alarm, at, index)) : value
  return completeWith((native, json) => native.completeAlarms(json, at.preset === 'test'), alarms, at)
}

function resolved (alarm, at, index) {
  if (alarm === null || typeof alarm !== 'object' || Array.isArray(alarm)) return alarm
  const copy = { ...alarm }
  for (const field of SECRETS) {
    const name = typeof copy[field] === 'string' ? FROM_ENVIRONMENT.exec(copy[field])?.[1] : undefined
    if (name === undefined) continue
    copy[field] = at.env?.[name]
    if (copy[field] === undefined || copy[field] === '') {
      throw codedError('LEAKPROBE_ERR_OPTION', {
        option: `${at.option}[${index}].${field}`, source: at.source, expected: `the environment variable ${name}`, received: 'nothing there'
      })
    }
  }
  return copy
}

/** Refuses triggers that call an alarm which there is not. */
function checkAlarmNames ({ alarms, triggers }) {
  const names = JSON.stringify((alarms || []).map(({ name }) => name))
  completeWith((native, json) => native.checkAlarmNames(json, names), triggers, { option: 'triggers' })
}

module.exports = { completeAlarms, checkAlarmNames }
