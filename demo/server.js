'use strict'

// A mail-templating server as it could stand in any company, with three leaks of the usual kinds. It knows nothing of
// leakprobe: the demo starts it with `node --require leakprobe/register`.

const { EventEmitter } = require('node:events')
const { setTimeout: wait } = require('node:timers/promises')
const express = require('express')

const app = express()
app.disable('etag')

// LEAK: nobody asks twice for one revision of one customer at one moment, so every request adds a template, and none goes.
const templates = new Map()
// One round trip to the template store for so many cached templates. The demo lowers it when it has less time.
const templatesPerCheck = Number(process.env.DEMO_TEMPLATES_PER_CHECK ?? 8)
const CHECK_MS = 1

app.get('/mails/:customer', async (req, res) => {
  const { customer } = req.params
  const key = `${customer}:${req.query.revision}:${process.hrtime.bigint()}`
  if (!templates.has(key)) templates.set(key, compile(customer))
  await checkForUpdates()
  res.type('html').send(templates.get(key).render({ customer }))
})

// Asks for every cached template whether it is still current: the reason why the route slows down as the cache grows.
async function checkForUpdates () {
  for (let checked = 0; checked < templates.size; checked += templatesPerCheck) await wait(CHECK_MS)
}

function compile (customer) {
  const blocks = Array.from({ length: 240 }, (_, i) => ({ tag: 'p', id: i, text: `Dear ${customer}, this is paragraph ${i}.` }))
  return { customer, blocks, render: (values) => blocks.slice(0, 3).map(({ tag, text }) => `<${tag}>${text} ${values.customer}</${tag}>`).join('') }
}

const mailbox = new EventEmitter()
mailbox.setMaxListeners(0) // somebody silenced the warning

// LEAK: the listener is never removed.
app.post('/subscriptions/:id', (req, res) => {
  const { id } = req.params
  mailbox.on('sent', (mail) => mail.seenBy?.push(id))
  res.status(201).json({ id })
})

// LEAK: the interval is never cleared.
const POLL_MS = 30_000
let polls = 0
app.get('/reports/:id', (req, res) => {
  setInterval(() => { polls++ }, POLL_MS)
  res.json({ id: req.params.id, state: 'rendering', polls })
})

app.get('/health', (req, res) => res.json({ up: true }))

const customers = Array.from({ length: 50 }, (_, id) => ({ id, name: `Customer ${id}` }))
app.get('/customers', (req, res) => res.json(customers))

// Slow, but no slower than yesterday.
app.get('/invoices/:id', async (req, res) => {
  await wait(40 + Math.random() * 20)
  res.json({ id: req.params.id, total: 1 })
})

// Makes much garbage and keeps none of it.
app.get('/exports/:day', (req, res) => {
  const rows = Array.from({ length: 2000 }, (_, i) => ({ row: i, day: req.params.day, text: `row ${i}` }))
  res.json({ rows: rows.length, last: rows.at(-1) })
})

// A cache as it should be: it fills and stops.
const LOGOS = 100
const logos = new Map()
app.get('/logos/:brand', (req, res) => {
  const slot = Number(req.params.brand) % LOGOS
  if (!logos.has(slot)) logos.set(slot, Array.from({ length: 500 }, (_, i) => ({ x: i, y: slot })))
  res.json({ points: logos.get(slot).length })
})

const server = app.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
  const { port } = server.address()
  if (process.send) process.send({ port })
  else console.log(`http://127.0.0.1:${port}`)
})

process.on('SIGTERM', () => process.exit(0))
process.on('disconnect', () => process.exit(0))
