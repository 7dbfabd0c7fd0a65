'use strict'

// What the tests of the history ask of their app, fixtures/remembered.js, and of the command line.

const { execFileSync } = require('node:child_process')
const path = require('node:path')

const APP = path.join(__dirname, 'fixtures', 'remembered.js')
const BIN = path.join(__dirname, '..', 'bin.js')

/** What the command line says of a history. `before` goes before the command, such as what enters another mount namespace. */
function history (directory, more = [], before = []) {
  const [program, ...args] = [...before, process.execPath, BIN, 'history', directory, '--since', '30m', '--json', ...more]
  return JSON.parse(execFileSync(program, args, { encoding: 'utf8', maxBuffer: 1 << 26 }))
}

function ask (child, what) {
  return new Promise((resolve) => {
    const listen = (message) => {
      if (!(what in message)) return
      child.off('message', listen)
      resolve(message[what])
    }
    child.on('message', listen)
    child.send(what)
  })
}

const capability = (child) => ask(child, 'report').then(({ process: { capabilities } }) => capabilities.history)

module.exports = { APP, ask, capability, history }
