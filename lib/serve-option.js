'use strict'

// The option `serve`: a port, or an object. What comes out is complete, or false.

const { isIP } = require('node:net')
const { refuse, integer, isBoolean } = require('./checks')

const LEAST_TOKEN = 16
const KEYS = ['port', 'host', 'token', 'hosts', 'heapSnapshots']
const port = integer(0, 65_535)

/** `{ port, host, token, hosts, heapSnapshots }`, or false. */
function serveOption (value, at) {
  if (value === false) return false
  if (typeof value === 'number') return complete({ port: value }, at, at)
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    return refuse(value, at, 'a port from 0 to 65535, an object with port, host, token, hosts and heapSnapshots, or false')
  }
  const unknown = Object.keys(value).find((key) => !KEYS.includes(key))
  if (unknown !== undefined) refuse(value[unknown], below(at, unknown), `one of ${KEYS.join(', ')}`)
  return complete(value, at, below(at, 'port'))
}

function complete ({ port: number, host = '127.0.0.1', token, hosts = [], heapSnapshots = false }, at, atPort) {
  const address = host === 'localhost' ? '127.0.0.1' : host
  if (isIP(address) === 0 || address.includes('%')) refuse(host, below(at, 'host'), 'an IP address, or "localhost"')
  if (token !== undefined) checkToken(token, below(at, 'token'))
  else if (!isLoopback(address)) refuse(token, below(at, 'token'), `a text of at least ${LEAST_TOKEN} characters, because ${address} is no loopback address`)
  return Object.freeze({
    port: port(number, atPort),
    host: address,
    token: token ?? null,
    hosts: checkHosts(hosts, below(at, 'hosts')),
    heapSnapshots: isBoolean(heapSnapshots, below(at, 'heapSnapshots'))
  })
}

// What is wrong with a token is told, but never the token.
function checkToken (token, at) {
  if (typeof token !== 'string') refuse(token, at, 'a text')
  if (!/^[\x21-\x7e]{16,512}$/.test(token)) {
    refuse(undefined, at, `${LEAST_TOKEN} to 512 characters of ASCII without spaces; what was given is not shown`)
  }
}

function checkHosts (hosts, at) {
  if (!Array.isArray(hosts) || hosts.length > 32) return refuse(hosts, at, 'an array of at most 32 names such as "app.internal"')
  return Object.freeze(hosts.map((host, index) => typeof host === 'string' && /^[A-Za-z0-9]([A-Za-z0-9._-]{0,252})$/.test(host)
    ? host
    : refuse(host, { ...at, option: `${at.option}[${index}]` }, 'a name without a port, such as "app.internal"')))
}

function isLoopback (address) {
  return /^127\./.test(address) || /^(0*:)*:?0*1$/.test(address)
}

function below (at, key) {
  return { ...at, option: `${at.option}.${key}` }
}

module.exports = { serveOption }
