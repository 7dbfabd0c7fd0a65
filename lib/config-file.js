'use strict'

// The config file: leakprobe.config.json in the working directory, or the one LEAKPROBE_CONFIG names.

const fs = require('node:fs')
const path = require('node:path')
const { codedError, describe } = require('./errors')

const DEFAULT_NAME = 'leakprobe.config.json'

/** `{ values, name }`; without a file no values. A file that is named but cannot be read is an error. */
function readConfigFile (named, cwd) {
  const file = path.resolve(cwd, named || DEFAULT_NAME)
  let text
  try {
    text = fs.readFileSync(file, 'utf8')
  } catch (cause) {
    if (!named && (cause.code === 'ENOENT' || cause.code === 'ENOTDIR')) return { values: {} }
    throw Object.assign(codedError('LEAKPROBE_ERR_CONFIG_FILE', { file, reason: `cannot be read (${cause.code})` }), { cause })
  }
  let values
  try {
    values = JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch (cause) {
    const { line, column, reason } = require('./json-error').findJsonError(text.replace(/^\uFEFF/, ''))
    throw Object.assign(codedError('LEAKPROBE_ERR_CONFIG_FILE', { file, line, column, reason }), { cause })
  }
  if (values === null || typeof values !== 'object' || Array.isArray(values)) {
    throw codedError('LEAKPROBE_ERR_CONFIG_FILE', { file, line: 1, column: 1, reason: `expected an object, received ${describe(values)}` })
  }
  return { values, name: file }
}

module.exports = { readConfigFile }
