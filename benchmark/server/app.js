'use strict'

// The server that is measured: some routes with work of a fraction of a millisecond, one that waits as for a database, and one that
// never returns.

const http = require('node:http')
const { start } = require('../../index.js')

const [directory] = process.argv.slice(2)

function work (rounds) {
  let text = ''
  for (let index = 0; index < rounds; index++) text += JSON.stringify({ index, at: index * 7 })
  return text
}

const server = http.createServer((req, res) => {
  if (req.url === '/spin') {
    const until = Date.now() + 10_000
    while (Date.now() < until);
  }
  if (req.url.startsWith('/waits')) return setTimeout(() => res.end(work(100)), 20)
  res.end(work(req.url.startsWith('/mails') ? 300 : 100))
})
server.keepAliveTimeout = 60_000
const routes = ['GET /mails/:customer', 'GET /waits/:id', ...Array.from({ length: 47 }, (_, index) => `GET /other${index}/:id`)]
const probe = start({ directory, service: 'bench', serve: 0, routes })
server.listen(0, '127.0.0.1', () => process.send({ app: server.address().port, served: Number(new URL(probe.stats().server.address).port) }))
process.on('disconnect', () => process.exit())
