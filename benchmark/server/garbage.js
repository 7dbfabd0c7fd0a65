'use strict'

// Garbage and slow connections, from a process of its own: `{ count }` from the parent sends so many requests, 20 at a time, and
// keeps 500 slow connections open meanwhile. The port is that of leakprobe, or of a sink that only accepts: so that what sending
// costs is the same.

const net = require('node:net')
const { GARBAGE, send, slowLoris } = require('../../__test__/fixtures/abuse.js')

const LORIS = 500
const kinds = Object.values(GARBAGE)

async function run ({ port, count }) {
  const loris = slowLoris(port, LORIS)
  let left = count
  const began = Date.now()
  await Promise.all(Array.from({ length: 20 }, async () => {
    while (left-- > 0) await send(port, kinds[left % kinds.length](), 200)
  }))
  loris.stop()
  return { count, ms: Date.now() - began }
}

// Answers like a server that refuses everything, and closes.
const sink = net.createServer((socket) => {
  socket.on('error', () => {})
  socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n'))
})

if (process.argv[2] === 'sink') sink.listen(0, '127.0.0.1', () => process.send(sink.address().port))
else process.send('ready')
process.on('message', (wanted) => run(wanted).then((result) => process.send(result)))
process.on('disconnect', () => process.exit())
