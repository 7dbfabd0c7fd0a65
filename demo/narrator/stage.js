'use strict'

// The two processes of the demo: the server, watched by leakprobe from outside its code, and its clients.

const { fork } = require('node:child_process')
const path = require('node:path')

const DEMO = path.join(__dirname, '..')
const REGISTER = path.join(DEMO, '..', 'register.js')
const TEMPLATES_PER_CHECK = 8 // at 40 s
const STOP_MS = 10_000

/**
 * @param {{ directory: string, seconds: number, keep?: boolean }} options keep: it serves its dashboard, too
 * @returns {Promise<{ pid: number, port: number, stop: () => Promise<void>, closed: Promise<unknown>, said: () => string }>}
 *   rejects when the server ends before it listens; said: the end of its stderr
 */
async function startServer ({ directory, seconds, keep = false }) {
  const env = {
    ...withoutOurs(process.env),
    LEAKPROBE_CONFIG: path.join(DEMO, 'leakprobe.config.json'),
    LEAKPROBE_DIRECTORY: directory,
    ...(keep ? { LEAKPROBE_SERVE: '0' } : {}),
    // The cache grows with the requests; a shorter demo makes each of them cost more.
    DEMO_TEMPLATES_PER_CHECK: String(Math.max(1, Math.round(TEMPLATES_PER_CHECK * seconds / 40)))
  }
  const child = start('server.js', [], { env, execArgv: ['--require', REGISTER] })
  const { port } = await child.message
  return { pid: child.pid, port, stop: () => stop(child), closed: child.closed, said: child.said }
}

/** @returns {{ counts: Promise<object>, end: () => void, stop: () => Promise<void> }} counts when the load is over */
function startLoad ({ port, atMost, seed, share = 1 }) {
  const child = start('load.js', [port, atMost, seed, share].map(String), { env: process.env, execArgv: [] })
  return { counts: child.message, end: () => { if (child.child.connected) child.child.send({ end: true }) }, stop: () => stop(child) }
}

function start (file, args, { env, execArgv }) {
  const child = fork(path.join(DEMO, file), args, { env, execArgv, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
  let said = ''
  child.stderr.on('data', (chunk) => { said = (said + chunk).slice(-4000) })
  const closed = new Promise((resolve) => child.once('close', resolve))
  const message = new Promise((resolve, reject) => {
    child.once('message', resolve)
    child.once('error', reject)
    closed.then(() => reject(new Error(`demo/${file} ended early\n${said}`)))
  })
  message.catch(() => {}) // whoever waits for it hears of it; nobody has to
  return { pid: child.pid, child, closed, message, said: () => said }
}

async function stop ({ child, closed }) {
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
  await closed
  clearTimeout(timer)
}

// Settings of the shell that runs the demo must not change the demo.
function withoutOurs (env) {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('LEAKPROBE_')))
}

module.exports.startLoad = startLoad
module.exports.startServer = startServer
