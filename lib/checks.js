'use strict'

// Checks of single values. Each takes the value and where it stands, and returns it, or throws LEAKPROBE_ERR_OPTION.

const { codedError, describe } = require('./errors')

/** Refuses `value`: it is not what `expected` says. */
function refuse (value, { option, source }, expected) {
  throw codedError('LEAKPROBE_ERR_OPTION', { option, source, expected, received: describe(value) })
}

function integer (least, most) {
  return (value, at) => Number.isSafeInteger(value) && value >= least && value <= most
    ? value
    : refuse(value, at, `a whole number from ${least} to ${most}`)
}

function number (least, most) {
  return (value, at) => typeof value === 'number' && value >= least && value <= most
    ? value
    : refuse(value, at, `a number from ${least} to ${most}`)
}

function oneOf (values) {
  return (value, at) => values.includes(value) ? value : refuse(value, at, `one of ${values.map((one) => `"${one}"`).join(', ')}`)
}

function listOf (values) {
  const checkOne = oneOf(values)
  return (value, at) => Array.isArray(value)
    ? value.map((one, index) => checkOne(one, { ...at, option: `${at.option}[${index}]` }))
    : refuse(value, at, `an array of ${values.map((one) => `"${one}"`).join(', ')}`)
}

function autoOr (checkOther, expected) {
  return (value, at) => {
    if (value === 'auto') return value
    return typeof value === 'number' ? checkOther(value, at) : refuse(value, at, expected)
  }
}

// It is shown in a terminal and on a page.
function shortText (most) {
  return (value, at) => typeof value === 'string' && value.length <= most && !/[\u0000-\u001f\u007f]/.test(value)
    ? value
    : refuse(value, at, `a text of at most ${most} letters without control characters`)
}

function pathOrFalse (value, at) {
  if (value === false || (typeof value === 'string' && value !== '' && !value.includes('\0'))) return value
  return refuse(value, at, 'a path, or false')
}

function isFunction (value, at) {
  return typeof value === 'function' ? value : refuse(value, at, 'a function')
}

function isBoolean (value, at) {
  return typeof value === 'boolean' ? value : refuse(value, at, 'true or false')
}

// It becomes a folder's name.
function serviceName (value, at) {
  return typeof value === 'string' && /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(value)
    ? value
    : refuse(value, at, 'a name of 1 to 100 letters, digits, dots, dashes and underscores that begins with a letter or digit')
}

function routeTemplates (value, at) {
  if (!Array.isArray(value)) return refuse(value, at, 'an array of templates such as "GET /pages/:revision"')
  return value.map((one, index) => typeof one === 'string' && /^[A-Z-]+ \/\S*$/.test(one)
    ? one
    : refuse(one, { ...at, option: `${at.option}[${index}]` }, 'a template such as "GET /pages/:revision"'))
}

module.exports = { autoOr, shortText, refuse, integer, number, oneOf, listOf, pathOrFalse, isFunction, isBoolean, serviceName, routeTemplates }
