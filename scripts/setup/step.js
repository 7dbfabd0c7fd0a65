'use strict'

// One step of a set-up: a command whose output goes to a log file while a single live line says what runs and for how long.

const { spawn } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const readline = require('node:readline')

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
const FRAME_MS = 100
const TAIL_LINES = 120
// eslint-disable-next-line no-control-regex
const ESCAPES = /\x1b\[[0-9;?]*[A-Za-z]/g

class SetupError extends Error {}

/**
 * Runs a command to its end. Everything is said on stderr, so that stdout stays free for what the caller prints.
 *
 * @param {{ title: string, command: string, args: string[], cwd: string, env?: NodeJS.ProcessEnv }} step
 * @returns {Promise<void>} rejects with a SetupError that holds the end of the output and the log's path
 */
async function runStep ({ title, command, args, cwd, env }) {
  const log = path.join(os.tmpdir(), `leakprobe-setup-${process.pid}-${title.replace(/[^a-z0-9]+/gi, '-')}.log`)
  const line = liveLine(title)
  const tail = []
  const file = fs.createWriteStream(log, { mode: 0o600 })
  const started = Date.now()
  try {
    const child = spawn(command, args, { cwd, env: env ?? process.env, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => file.write(chunk))
      readline.createInterface({ input: stream }).on('line', (raw) => {
        const text = raw.replace(ESCAPES, '')
        if (text.trim() === '') return
        tail.push(text)
        if (tail.length > TAIL_LINES) tail.shift()
        line.says(text.trim())
      })
    }
    await ended(child, command)
  } catch (error) {
    line.done('failed')
    throw new SetupError([`${title}: ${error.message}`, ...tail, '', `all of its output: ${log}`].join('\n'))
  } finally {
    file.end()
  }
  line.done(`done in ${seconds(started)} s`)
  fs.rmSync(log, { force: true })
}

function ended (child, command) {
  const forward = (signal) => child.kill(signal)
  const signals = ['SIGINT', 'SIGTERM']
  for (const signal of signals) process.on(signal, forward)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      if (code === 0) resolve()
      else reject(new Error(`${command} ended with ${signal ?? `code ${code}`}`))
    })
  }).finally(() => {
    for (const signal of signals) process.off(signal, forward)
  })
}

function liveLine (title) {
  const started = Date.now()
  if (!process.stderr.isTTY) {
    process.stderr.write(`${title} …\n`)
    return { says () {}, done: (how) => process.stderr.write(`${title}: ${how}\n`) }
  }
  let said = ''
  let frame = 0
  const draw = () => {
    const head = `${FRAMES[frame++ % FRAMES.length]} ${title}  ${seconds(started)} s  `
    const room = Math.max(0, (process.stderr.columns ?? 80) - head.length - 1)
    process.stderr.write(`\r\x1b[K${head}\x1b[2m${said.slice(0, room)}\x1b[0m`)
  }
  const timer = setInterval(draw, FRAME_MS)
  draw()
  return {
    says (text) { said = text },
    done (how) {
      clearInterval(timer)
      process.stderr.write(`\r\x1b[K${how === 'failed' ? '✗' : '✓'} ${title}: ${how}\n`)
    }
  }
}

function seconds (started) {
  return Math.round((Date.now() - started) / 1000)
}

module.exports.SetupError = SetupError
module.exports.runStep = runStep
