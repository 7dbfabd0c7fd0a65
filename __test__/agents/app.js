'use strict'

// An express application that asks itself, and tells what leakprobe made of it. Ends with code 7.

const { setTimeout: wait } = require('node:timers/promises')
const express = require('express')

const ASKED = { '/users/1': 20, '/users/2': 10, '/orders/7/items': 15 }

const app = express()
app.get('/users/:id', async (request, response) => {
  await wait(1)
  response.json({ id: request.params.id })
})
const orders = express.Router()
orders.get('/:order/items', (request, response) => response.send('none'))
app.use('/orders', orders)

const server = app.listen(0, '127.0.0.1', async () => {
  const { port } = server.address()
  for (const [path, times] of Object.entries(ASKED)) {
    for (let i = 0; i < times; i++) await (await fetch(`http://127.0.0.1:${port}${path}`)).text()
  }
  const probe = require('../../index.js').start()
  const count = (name) => probe.stats().routes.find(({ route }) => route === name)?.requests ?? 0
  const deadline = Date.now() + 15_000
  while (count('GET /users/:id') + count('GET /orders/:order/items') < 45 && Date.now() < deadline) await wait(10)
  const routes = Object.fromEntries(probe.stats().routes.map(({ route, requests }) => [route, requests]))
  const { shadow } = await probe.capture({ floor: true })
  const seen = await globalThis.seenByAgent?.()
  const { capabilities } = probe.report().process
  await probe.stop()
  process.stdout.write(JSON.stringify({ routes, shadow, seen, native: capabilities.native.state, errors: Object.entries(capabilities).filter(([, { because }]) => /inside the probe/.test(because)) }), () => process.exit(7))
})
