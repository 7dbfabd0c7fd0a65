'use strict'

// One measurement: a fresh server, warmed up, then a fixed number of requests from the load process.

const { fork } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')

/**
 * @param {{ node: string, server: string, variant: string, requests: number, warmUp: number, connections: number }} round
 * @returns {Promise<{ requestsPerSecond: number, cpuUs: number }>} cpuUs: app-thread CPU per request
 */
async function measure ({ node, server, variant, requests, warmUp, connections }) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'leakprobe-benchmark-'))
  const under = child(node, 'server.js', [server, variant, directory])
  const load = child(node, 'load.js', [])
  try {
    const { port } = await under.reply()
    await load.ask({ port, requests: warmUp, connections })
    const before = await under.ask('cpu')
    const { seconds } = await load.ask({ port, requests, connections })
    const after = await under.ask('cpu')
    return { requestsPerSecond: requests / seconds, cpuUs: (after.cpuNs - before.cpuNs) / requests / 1000 }
  } finally {
    await Promise.all([under.stop(), load.stop()])
    fs.rmSync(directory, { recursive: true, force: true })
  }
}

function child (node, file, args) {
  const running = fork(path.join(__dirname, file), args, { execPath: node, execArgv: [], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
  let said = ''
  running.stderr.on('data', (chunk) => { said = (said + chunk).slice(-2000) })
  const closed = new Promise((resolve) => running.once('close', resolve))
  const reply = () => new Promise((resolve, reject) => {
    const onMessage = (message) => {
      running.off('close', onClose)
      if (message.error === undefined) resolve(message)
      else reject(new Error(`${file} ${args.slice(0, 2).join(' ')}: ${message.error}`))
    }
    const onClose = () => {
      running.off('message', onMessage)
      reject(new Error(`${file} ${args.slice(0, 2).join(' ')} ended early\n${said}`))
    }
    running.once('message', onMessage)
    running.once('close', onClose)
  })
  return {
    reply,
    ask (message) {
      const answer = reply()
      running.send(message)
      return answer
    },
    stop () {
      running.kill('SIGKILL')
      return closed
    }
  }
}

module.exports.measure = measure
