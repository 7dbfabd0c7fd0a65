'use strict'

const assert = require('node:assert/strict')
const http = require('node:http')
const { test } = require('node:test')
const { startProbe, listen, request, countsAre } = require('./helper')

for (const version of ['express4', 'express5']) {
  const express = require(version)
  const wildcard = version === 'express4' ? '/files/*' : '/files/*rest'
  const answer = (req, res) => res.send('ok')

  async function requests (t, app, paths, options) {
    const probe = startProbe(t, options)
    const port = await listen(t, http.createServer(app))
    for (const path of paths) {
      const [method, target] = path.split(' ')
      await request(port, target, { method })
    }
    return probe
  }

  test(`${version}: routes have the template they were declared with`, async (t) => {
    const app = express()
    app.get('/', answer)
    app.get('/users/:id', answer)
    app.post('/users', answer)
    app.get('/users/:id/posts/:post', answer)
    app.route('/orders/:id').put(answer).delete(answer)
    app.get(wildcard, answer)

    const probe = await requests(t, app, ['GET /', 'GET /users/1', 'GET /users/2?x=/y', 'GET /users/3/', 'POST /users',
      'GET /users/1/posts/2', 'PUT /orders/1', 'DELETE /orders/2', 'GET /files/a/b', 'HEAD /users/1'])

    await countsAre(probe, {
      'GET /': 1,
      'GET /users/:id': 3,
      'POST /users': 1,
      'GET /users/:id/posts/:post': 1,
      'PUT /orders/:id': 1,
      'DELETE /orders/:id': 1,
      [`GET ${wildcard}`]: 1,
      'HEAD /users/:id': 1
    })
  })

  test(`${version}: routers mounted below parameters keep the parameters' names`, async (t) => {
    const app = express()
    const shop = express.Router({ mergeParams: true })
    const cart = express.Router({ mergeParams: true })
    app.use('/shop/:lang', shop)
    shop.get('/', answer)
    shop.get('/products', answer)
    shop.use('/carts/:cart', cart)
    cart.get('/items/:item', answer)
    cart.get('/', answer)

    const probe = await requests(t, app, ['GET /shop/en', 'GET /shop/de/', 'GET /shop/en/products', 'GET /shop/en/carts/en/items/en',
      'GET /shop/fr/carts/7/items/8', 'GET /shop/it/carts/9'])

    await countsAre(probe, {
      'GET /shop/:lang': 2,
      'GET /shop/:lang/products': 1,
      'GET /shop/:lang/carts/:cart/items/:item': 2,
      'GET /shop/:lang/carts/:cart': 1
    })
  })

  test(`${version}: a router mounted at several places has a route for each`, async (t) => {
    const app = express()
    const router = express.Router()
    router.get('/:id', answer)
    app.use('/a/:x', router)
    app.use('/b', router)
    app.use(['/c', '/d/:y'], router)

    const probe = await requests(t, app, ['GET /a/1/2', 'GET /b/3', 'GET /b/4', 'GET /c/5', 'GET /d/6/7'])

    await countsAre(probe, { 'GET /a/:x/:id': 1, 'GET /b/:id': 2, 'GET /c/:id': 1, 'GET /d/:y/:id': 1 })
  })

  test(`${version}: applications mounted in applications are part of the template`, async (t) => {
    const app = express()
    const admin = express()
    const deep = express()
    app.use('/t/:tenant/admin', admin)
    admin.get('/users/:id', answer)
    admin.use('/deep/:x', deep)
    deep.get('/leaf', answer)

    const probe = await requests(t, app, ['GET /t/1/admin/users/2', 'GET /t/1/admin/deep/2/leaf'])

    await countsAre(probe, { 'GET /t/:tenant/admin/users/:id': 1, 'GET /t/:tenant/admin/deep/:x/leaf': 1 })
  })

  test(`${version}: of several paths of one route the one that came is told, and regular expressions by their source`, async (t) => {
    const app = express()
    app.get(['/one', '/two/:id'], answer)
    app.get(/^\/re\/(\d+)$/, answer)

    const probe = await requests(t, app, ['GET /one', 'GET /two/2', 'GET /two/3', 'GET /re/77'])

    await countsAre(probe, { 'GET /one': 1, 'GET /two/:id': 2, 'GET /(^\\/re\\/(\\d+)$)': 1 })
  })

  test(`${version}: what no route answers is (not found), what a route answers with 404 is that route`, async (t) => {
    const app = express()
    app.get('/users/:id', (req, res) => res.status(404).send('no such user'))

    const probe = await requests(t, app, ['GET /users/1', 'GET /nowhere', 'POST /else/where/12'])

    await countsAre(probe, { 'GET /users/:id': 1, '(not found)': 2 })
  })

  test(`${version}: what a middleware answers is named by its path`, async (t) => {
    const app = express()
    app.use((req, res, next) => req.path.startsWith('/static') ? res.send('file') : next())
    app.get('/x', answer)

    const probe = await requests(t, app, ['GET /static/12345/app.js', 'GET /x'])

    await countsAre(probe, { 'GET /static/:id/app.js': 1, 'GET /x': 1 })
  })

  test(`${version}: a failing handler counts for its route, also when the error handler stands above its router`, async (t) => {
    const app = express()
    const router = express.Router()
    router.get('/fail/:id', (req, res, next) => next(new Error('fails')))
    app.use('/mount/:x', router)
    app.use((error, req, res, next) => res.status(500).send(error.message)) // eslint-disable-line n/handle-callback-err

    const probe = await requests(t, app, ['GET /mount/1/fail/2', 'GET /mount/2/fail/3'])

    await countsAre(probe, { 'GET /mount/:x/fail/:id': 2 })
    assert.equal(probe.stats().routes[0].failed, 2)
  })

  test(`${version}: an application mounted through a function of one's own is named by its path`, async (t) => {
    const app = express()
    const router = express.Router()
    router.get('/items/:item', answer)
    app.use('/lazy', (req, res, next) => router(req, res, next))

    const probe = await requests(t, app, ['GET /lazy/items/9', 'GET /lazy/items/10'])

    await countsAre(probe, { 'GET /lazy/items/:item': 2 })
  })
}
