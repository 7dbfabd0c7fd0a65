'use strict'

const assert = require('node:assert/strict')
const http = require('node:http')
const { test } = require('node:test')
const { normalisePath } = require('../lib/routes/normalise')
const { toPattern } = require('../lib/routes/pattern')
const { startProbe, listen, request, counts, countsAre, until } = require('./helper')

const PATHS = [
  ['/', '/'],
  ['/health', '/health'],
  ['/users/me/settings', '/users/me/settings'],
  ['/api/v2/users', '/api/v2/users'],
  ['/api/v1.2/users', '/api/v1.2/users'],
  ['/users/12', '/users/:id'],
  ['/users/12/posts/7', '/users/:id/posts/:id'],
  ['/users/-3', '/users/:id'],
  ['/price/12.50', '/price/:id'],
  ['/geo/10.0.0.1', '/geo/:id'],
  ['/orders/user-10234', '/orders/:id'],
  ['/o/550e8400-e29b-41d4-a716-446655440000', '/o/:id'],
  ['/o/550E8400-E29B-41D4-A716-446655440000/x', '/o/:id/x'],
  ['/o/507f1f77bcf86cd799439011', '/o/:id'],
  ['/o/deadbeef', '/o/deadbeef'],
  ['/o/deadbee1', '/o/:id'],
  ['/facade/decade', '/facade/decade'],
  ['/t/V1StGXR8_Z5jdHi6B-myT', '/t/:id'],
  ['/t/01ARZ3NDEKTSV4RRFFQ69G5FAV', '/t/:id'],
  ['/t/eyJhbGciOiJIUzI1NiJ9', '/t/:id'],
  ['/days/2026-01-31', '/days/:id'],
  ['/days/2026-01', '/days/:id'],
  ['/at/2026-01-31T10:20:30Z', '/at/:id'],
  ['/mail/jo@example.org', '/mail/:id'],
  ['/mail/jo%40example.org', '/mail/:id'],
  ['/search/caf%C3%A9', '/search/:id'],
  ['/files/12345.json', '/files/:id.json'],
  ['/static/main.3f2a9c01.js', '/static/main.:id.js'],
  ['/static/bootstrap.min.css', '/static/bootstrap.min.css'],
  ['/robots.txt', '/robots.txt'],
  ['/blog/how-to-find-memory-leaks-in-node', '/blog/how-to-find-memory-leaks-in-node'],
  ['/api/getUserAccountSettings', '/api/getUserAccountSettings'],
  ['/internationalization', '/internationalization'],
  ['/oauth2/callback', '/oauth2/callback'],
  ['/a/b/c/d/e/f/g/h/i/j/k/l/m/n', '/a/b/c/d/e/f/g/h/i/j/k/l/*']
]

test('values in a path become :id, words stay', () => {
  for (const [path, template] of PATHS) assert.equal(normalisePath(path), template, path)
})

test('a path without any value is returned as it is', () => {
  assert.equal(normalisePath('/users/settings'), '/users/settings')
})

test('templates match the paths that routers match by them', () => {
  const cases = [
    ['/users/:id', '/users/7', true],
    ['/users/:id', '/users/7/posts', false],
    ['/users/:id?', '/users', true],
    ['/files/*', '/files/a/b', true],
    ['/files/*rest', '/files/a/b', true],
    ['/a{/:b}', '/a', true],
    ['/a{/:b}', '/a/1', true],
    ['/a{/:b}', '/a/1/2', false],
    ['/n/:id(\\d+)', '/n/12', true],
    ['/x.json', '/xyjson', false],
    ['/', '/', true],
    ['/', '/a', false]
  ]
  for (const [template, path, expected] of cases) assert.equal(toPattern(template).test(path), expected, `${template} ${path}`)
})

async function plainServer (t, options) {
  const probe = startProbe(t, options)
  const port = await listen(t, http.createServer((req, res) => {
    res.statusCode = req.url.startsWith('/missing') ? 404 : 200
    res.end('ok')
  }))
  return { probe, send: (path, method) => request(port, path, { method }) }
}

test('a plain server\'s paths are normalised, its 404s share one route', async (t) => {
  const { probe, send } = await plainServer(t)

  for (const path of ['/', '/users/1', '/users/2?x=1', '/users/', '/users', '/missing/1', '/missing/2']) await send(path)
  await send('/users/3', 'HEAD')

  await countsAre(probe, { 'GET /': 1, 'GET /users/:id': 2, 'GET /users': 2, 'HEAD /users/:id': 1, '(not found)': 2 })
})

test('declared templates go before the normaliser, also for 404s', async (t) => {
  const { probe, send } = await plainServer(t, { routes: ['GET /pages/:revision', 'GET /missing/:thing'] })

  for (const path of ['/pages/first', '/pages/second', '/pages/third/more', '/missing/1']) await send(path)
  await send('/pages/x', 'HEAD')
  await send('/pages/x', 'POST')

  await countsAre(probe, { 'GET /pages/:revision': 2, 'GET /pages/third/more': 1, 'GET /missing/:thing': 1, 'HEAD /pages/:revision': 1, 'POST /pages/x': 1 })
})

test('routeOf names requests; where it fails the path is used, and the application never notices', async (t) => {
  const { probe, send } = await plainServer(t, {
    routeOf: (req) => {
      if (req.url === '/throws') throw new Error('from routeOf')
      if (req.url === '/number') return 5
      if (req.url === '/none') return undefined
      return req.url === '/slash' ? '/from/:slash' : 'GET /whole name'
    }
  })

  for (const path of ['/any', '/slash', '/throws', '/number', '/none']) assert.equal((await send(path)).status, 200)

  await countsAre(probe, { 'GET /whole name': 1, 'GET /from/:slash': 1, 'GET /throws': 1, 'GET /number': 1, 'GET /none': 1 })
  assert.match(probe.report().process.capabilities.routes.because, /routeOf failed 1 times, the last time it threw: from routeOf/)
})

test('more routes than maxRoutes are counted as other', async (t) => {
  const { probe, send } = await plainServer(t, { maxRoutes: 20 })

  const letters = 'abcdefghijklmnopqrstuvwxyz'
  for (const a of letters) for (const b of letters.slice(0, 4)) await send(`/${a}${b}`)

  await until(() => Object.values(counts(probe)).reduce((a, b) => a + b, 0) === 104)
  const seen = counts(probe)
  assert.ok(Object.keys(seen).length <= 21, Object.keys(seen).join())
  assert.ok(seen.other >= 84, `other: ${seen.other}`)
})
