'use strict'

const http = require('node:http')
const { test } = require('node:test')
const { honoRoutes } = require('../index.js')
const { startProbe, listen, request, countsAre } = require('./helper')

async function requestAll (port, list) {
  for (const one of list) {
    const [method, target] = one.split(' ')
    await request(port, target, { method })
  }
}

for (const version of ['fastify4', 'fastify5']) {
  test(`${version}: routes have their template, prefixes of encapsulated plugins included`, async (t) => {
    const probe = startProbe(t)
    const fastify = require(version)()
    t.after(() => fastify.close())
    fastify.get('/', async () => 'root')
    fastify.get('/users/:id', async () => 'user')
    fastify.post('/users', async () => 'made')
    fastify.get('/files/*', async () => 'file')
    fastify.get('/gone/:id', async (request, reply) => reply.code(404).send('gone'))
    fastify.register(async (api) => {
      api.get('/things/:thing', async () => 'thing')
      api.register(async (deep) => { deep.get('/', async () => 'deep') }, { prefix: '/deep/:x' })
    }, { prefix: '/api/v1' })
    await fastify.listen({ port: 0, host: '127.0.0.1' })

    await requestAll(fastify.server.address().port, ['GET /', 'GET /users/1', 'GET /users/2?a=b', 'POST /users', 'GET /files/a/b',
      'GET /gone/1', 'GET /api/v1/things/5', 'GET /api/v1/deep/7/', 'GET /nowhere', 'GET /nowhere/else'])

    await countsAre(probe, {
      'GET /': 1,
      'GET /users/:id': 2,
      'POST /users': 1,
      'GET /files/*': 1,
      'GET /gone/:id': 1,
      'GET /api/v1/things/:thing': 1,
      'GET /api/v1/deep/:x': 1,
      '(not found)': 2
    })
  })

  test(`${version}: a request refused by a hook has its route all the same`, async (t) => {
    const probe = startProbe(t)
    const fastify = require(version)()
    t.after(() => fastify.close())
    fastify.addHook('onRequest', async (request, reply) => reply.code(401).send('no'))
    fastify.get('/secret/:id', async () => 'never')
    await fastify.listen({ port: 0, host: '127.0.0.1' })

    await requestAll(fastify.server.address().port, ['GET /secret/1'])

    await countsAre(probe, { 'GET /secret/:id': 1 })
  })
}

test('fastify5: an instance made before the probe has its templates', async (t) => {
  const fastify = require('fastify5')()
  t.after(() => fastify.close())
  fastify.get('/users/:id', async () => 'user')
  const probe = startProbe(t)
  await fastify.listen({ port: 0, host: '127.0.0.1' })

  await requestAll(fastify.server.address().port, ['GET /users/lena', 'GET /users/otto'])

  await countsAre(probe, { 'GET /users/:id': 2 })
})

for (const version of ['koa2', 'koa3']) {
  const Koa = require(version)
  const Router = require('@koa/router')

  test(`${version}: routes have their template, nested routers and prefixes included`, async (t) => {
    const probe = startProbe(t)
    const app = new Koa()
    app.silent = true
    const router = new Router()
    const nested = new Router({ prefix: '/nested/:n' })
    router.use(async (ctx, next) => next())
    router.get('/', (ctx) => { ctx.body = 'root' })
    router.get('/users/:id', (ctx) => { ctx.body = 'user' })
    router.post('/users', (ctx) => { ctx.body = 'made' })
    router.get('/gone/:id', (ctx) => { ctx.status = 404 })
    router.get('/fail/:id', () => { throw new Error('fails') })
    nested.get('/leaf/:l', (ctx) => { ctx.body = 'leaf' })
    router.use('/api/:v', nested.routes(), nested.allowedMethods())
    app.use(async (ctx, next) => ctx.path.startsWith('/static/') ? (ctx.body = 'file') : next())
    app.use(router.routes()).use(router.allowedMethods())
    const port = await listen(t, http.createServer(app.callback()))

    await requestAll(port, ['GET /', 'GET /users/1', 'GET /users/2?x', 'POST /users', 'GET /gone/1', 'GET /fail/1', 'GET /api/1/nested/2/leaf/3',
      'GET /static/12/app.css', 'GET /nowhere'])

    await countsAre(probe, {
      'GET /': 1,
      'GET /users/:id': 2,
      'POST /users': 1,
      'GET /gone/:id': 1,
      'GET /fail/:id': 1,
      'GET /api/:v/nested/:n/leaf/:l': 1,
      'GET /static/:id/app.css': 1,
      '(not found)': 1
    })
  })
}

test('hono with honoRoutes(): routes have their template, also below route() and basePath()', async (t) => {
  const probe = startProbe(t)
  const { Hono } = await import('hono')
  const { getRequestListener } = await import('@hono/node-server')
  const app = new Hono()
  app.use(honoRoutes())
  app.use('/api/*', async (c, next) => next())
  app.get('/', (c) => c.text('root'))
  app.get('/users/:id', (c) => c.text('user'))
  app.get('/gone/:id', (c) => c.text('gone', 404))
  app.get('/fail/:id', () => { throw new Error('fails') })
  app.onError((error, c) => c.text(error.message, 500))
  const books = new Hono().get('/:book', async (c) => c.text('book'))
  app.route('/api/books', books)
  app.use('/mw/*', (c) => c.text('middleware'))
  const port = await listen(t, http.createServer(getRequestListener(app.fetch)))

  await requestAll(port, ['GET /', 'GET /users/a', 'GET /users/b?c=d', 'GET /gone/x', 'GET /fail/y', 'GET /api/books/z', 'GET /mw/123', 'GET /nowhere'])

  await countsAre(probe, {
    'GET /': 1,
    'GET /users/:id': 2,
    'GET /gone/:id': 1,
    'GET /fail/:id': 1,
    'GET /api/books/:book': 1,
    'GET /mw/:id': 1,
    '(not found)': 1
  })
})
