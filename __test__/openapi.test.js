'use strict'

// docs/openapi.json says what the server does: what is asked for as it says is answered as it says.

const assert = require('node:assert/strict')
const http = require('node:http')
const path = require('node:path')
const { test } = require('node:test')
const { listen, request, startProbe, until } = require('./helper.js')

const API = require('../docs/openapi.json')
const DOCUMENT = require('node:fs').readFileSync(path.join(__dirname, '..', 'docs', 'http-api.md'), 'utf8')

/** What is wrong with `value` by `schema`; empty when nothing is. */
function faults (schema, value, at = '') {
  if (schema.$ref !== undefined) return faults(schema.$ref.slice(2).split('/').reduce((part, key) => part[key], API), value, at)
  if (schema.oneOf !== undefined) {
    const each = schema.oneOf.map((one) => faults(one, value, at))
    return each.filter((found) => found.length === 0).length === 1 ? [] : each.flat()
  }
  if ('const' in schema) return value === schema.const ? [] : [`${at}: ${JSON.stringify(value)} is not ${schema.const}`]
  if (schema.enum !== undefined) return schema.enum.includes(value) ? [] : [`${at}: ${JSON.stringify(value)} is none of ${schema.enum}`]
  const types = [schema.type ?? []].flat()
  if (!types.some((type) => isA(type, value))) return [`${at}: ${JSON.stringify(value)} is no ${types.join(' or ')}`]
  if (schema.pattern !== undefined && !new RegExp(schema.pattern).test(value)) return [`${at}: ${value} is not like ${schema.pattern}`]
  if (Array.isArray(value)) return value.flatMap((one, index) => faults(schema.items, one, `${at}[${index}]`))
  if (value === null || typeof value !== 'object') return []
  const { properties = {}, required = [], additionalProperties: more = true } = schema
  const missing = required.filter((name) => !(name in value)).map((name) => `${at}.${name}: missing`)
  return missing.concat(Object.entries(value).flatMap(([name, one]) => {
    const known = properties[name] ?? (typeof more === 'object' ? more : undefined)
    if (known !== undefined) return faults(known, one, `${at}.${name}`)
    return more ? [] : [`${at}.${name}: unknown`]
  }))
}

function isA (type, value) {
  if (type === 'null') return value === null
  if (type === 'array') return Array.isArray(value)
  if (type === 'object') return value !== null && typeof value === 'object' && !Array.isArray(value)
  if (type === 'integer') return Number.isInteger(value)
  return typeof value === type
}

function ask (base, target, { method, headers, body } = {}) {
  return fetch(`${base}${target}`, { method, headers, body }).then(async (response) => {
    const type = response.headers.get('content-type').split(';')[0]
    return { status: response.status, type, body: type === 'application/json' ? await response.json() : await response.text() }
  })
}

/** Holds an answer against the document. */
function check (operation, { status, type, body }, what) {
  const said = operation.responses[status]
  assert.ok(said, `${what}: ${status} is not in the document: ${JSON.stringify(body)}`)
  assert.ok(type in said.content, `${what}: ${status} as ${type}`)
  const { schema } = said.content[type]
  if (schema !== undefined) assert.deepEqual(faults(schema, body), [], `${what}: ${status}`)
}

test('the schemas refuse what is wrong', () => {
  const series = { $ref: '#/components/schemas/Health' }
  assert.deepEqual(faults(series, { status: 'ok', pid: 1 }), [])
  assert.equal(faults(series, { status: 'ok', more: 1 }).length, 1)
  assert.equal(faults(series, { pid: 1.5 }).length, 2)
  assert.equal(faults({ oneOf: [{ type: 'null' }, { type: 'integer' }] }, 'x').length, 2)
})

test('every path of the document is answered as it says, and there is no other', async (t) => {
  const app = await listen(t, http.createServer((req, res) => res.end('ok')))
  const probe = startProbe(t, { serve: 0, routes: ['GET /a/:b'], triggers: undefined })
  const base = probe.stats().server.address
  await request(app, '/a/1')
  await probe.capture({ reason: 'by-hand', floor: true })
  await until(async () => (await ask(base, '/api/series?minutes=1')).body.routes.length > 0)
  await until(async () => (await ask(base, '/api/history?route=GET%20%2Fa%2F:b')).status === 200)
  const [{ id }] = (await ask(base, '/api/incidents')).body
  const { paths } = API
  const real = (at) => at.replace('{id}', id).replace('{name}', 'report.json')

  for (const [at, operations] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const headers = method === 'post' ? { 'x-leakprobe': '1' } : {}
      const answer = await ask(base, real(at), { method: method.toUpperCase(), headers })
      check(operation, answer, `${method} ${at}`)
      assert.ok(answer.status < 300, `${at}: ${answer.status}`)
    }
    assert.ok(DOCUMENT.includes(`\`${method(operations)}${at.replace('{id}', '<id>').replace('{name}', '<name>')}`), `${at} is not in http-api.md`)
  }
  const wrong = [
    ['/api/series', '?minutes=x', {}], ['/api/series', '?route=GET%20/none', {}], ['/api/series', `?route=${encodeURIComponent('GET /a/:b')}`, {}],
    ['/api/history', '?minutes=x', {}], ['/api/history', '?route=GET%20/none', {}], ['/api/history', '?route=GET%20%2Fa%2F:b&metric=p95Ms', {}],
    ['/api/incidents/{id}', '', {}, '/api/incidents/none'], ['/api/incidents/{id}/files/{name}', '', {}, `/api/incidents/${id}/files/none`],
    ['/api/capture', '', { method: 'POST' }], ['/api/capture', '', { method: 'POST', headers: { 'x-leakprobe': '1' }, body: '[]' }]
  ]
  for (const [at, query, options, path = at] of wrong) {
    check(paths[at][options.method ? 'post' : 'get'], await ask(base, `${path}${query}`, options), `${at}${query}`)
  }
  for (const other of ['/api', '/api/', '/metrics/', '/api/stats/', '/api/incidents/', '/favicon.ico', '/index', '/%2e%2e/Cargo.toml']) {
    assert.equal((await ask(base, other)).status, 404, other)
  }
})

function method (operations) {
  return operations.post === undefined ? '' : 'POST '
}
