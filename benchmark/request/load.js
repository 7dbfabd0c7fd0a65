'use strict'

// The load, in a process of its own: over IPC it gets { port, requests, connections } and answers { seconds }.
// It speaks HTTP over bare sockets, one request at a time on each, so that it is cheaper than the server it loads.

const net = require('node:net')

const FIRST_ID = 100000
const IDS = 900000

process.on('disconnect', () => process.exit(0))
process.on('message', (job) => {
  run(job).then((result) => process.send(result), (error) => process.send({ error: error.message }))
})

function run ({ port, requests, connections }) {
  return new Promise((resolve, reject) => {
    let toSend = requests
    let toCome = requests
    let started
    const sockets = []
    const finish = (error) => {
      const seconds = Number(process.hrtime.bigint() - started) / 1e9
      for (const socket of sockets) socket.destroy()
      if (error === undefined) resolve({ seconds })
      else reject(error)
    }
    const open = () => {
      const socket = net.connect({ port, host: '127.0.0.1', noDelay: true })
      let length = 0 // of one response, learnt from the first
      let seen = 0
      const send = () => {
        if (toSend === 0) return
        const id = FIRST_ID + toSend-- % IDS
        socket.write(`GET /users/${id} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n\r\n`)
      }
      socket.on('data', (chunk) => {
        if (length === 0) length = responseLength(chunk)
        seen += chunk.length
        if (seen < length) return
        if (seen > length) return finish(new Error(`a response of ${seen} bytes where ${length} were expected`))
        seen = 0
        if (--toCome === 0) finish()
        else send()
      })
      socket.on('error', (error) => finish(error))
      socket.on('close', () => { if (toCome > 0) finish(new Error('the server closed a connection')) })
      socket.on('connect', send)
      return socket
    }
    started = process.hrtime.bigint()
    for (let i = 0; i < Math.min(connections, requests); i++) sockets.push(open())
  })
}

function responseLength (chunk) {
  const text = chunk.toString('latin1')
  const head = text.indexOf('\r\n\r\n')
  const body = /\r\ncontent-length: (\d+)\r\n/i.exec(text)
  if (!text.startsWith('HTTP/1.1 200') || head === -1 || body === null) {
    throw new Error(`an unexpected response: ${text.slice(0, 80)}`)
  }
  return head + 4 + Number(body[1])
}
