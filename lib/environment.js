'use strict'

// Options from the environment: LEAKPROBE_ and the option's name in capitals with underscores.

const { codedError, describe } = require('./errors')

/** Values found in `env`, with `sourceOf(name)` for error messages. Variables that name no option are left alone. */
function readEnvironment (options, env) {
  const values = {}
  for (const [name, { environment }] of Object.entries(options)) {
    const text = environment && env[variableOf(name)]
    if (text === undefined || text === '') continue
    values[name] = parse(text, environment, name)
  }
  return { values, sourceOf }
}

function sourceOf (name) {
  return `environment variable ${variableOf(name)}`
}

function variableOf (name) {
  return `LEAKPROBE_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`
}

// What does not parse stays text: the option's own check then says what it wants instead.
function parse (text, kind, name) {
  if (text === 'false') return false
  if (kind === 'list') return text.split(',').map((one) => one.trim()).filter((one) => one !== '')
  if (kind === 'number') return text.trim() === '' || Number.isNaN(Number(text)) ? text : Number(text)
  if (kind !== 'json') return text
  try {
    return JSON.parse(text)
  } catch {
    throw codedError('LEAKPROBE_ERR_OPTION', { option: name, source: sourceOf(name), expected: 'JSON', received: describe(text) })
  }
}

module.exports = { readEnvironment }
