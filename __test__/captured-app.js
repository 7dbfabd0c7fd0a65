'use strict'

// An app in a process of its own that takes captures when it is told to, for tests that break something around it.

const { fork, spawnSync } = require('node:child_process')
const { once } = require('node:events')
const fs = require('node:fs')
const path = require('node:path')
const { endAfter, until } = require('./helper.js')

const CAPTURES = path.join(__dirname, 'fixtures', 'captures.js')
const skip = process.platform !== 'linux' || process.report.getReport().header.glibcVersionRuntime === undefined
const isRoot = process.getuid?.() === 0
const canMount = isRoot && spawnSync('unshare', ['-m', 'true']).status === 0

/** An app of the fixture: `ready`, `capture(options)`, `shadows()` and `shadow()`, the first that is there. */
function start (t, args, command = process.execPath, before = [], options = {}) {
  const program = command === process.execPath ? [...before, CAPTURES, ...args] : [...before, ...args]
  const child = fork(program[0], program.slice(1), { execPath: command, execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'], ...options })
  endAfter(t, child)
  const shadows = () => shadowsOf(child.pid)
  return {
    child,
    ready: once(child, 'message'),
    shadows,
    async capture (capture) {
      child.send({ capture })
      const [answer] = await once(child, 'message')
      return answer
    },
    async shadow () {
      let found
      await until(() => {
        [found] = shadows()
        return found !== undefined
      }, 'a shadow is there')
      return found
    }
  }
}

/** Process ids of the shadows that a process has. */
function shadowsOf (pid) {
  return childrenOf(pid).filter((child) => nameOf(child).startsWith('leakprobe-shado'))
}

function childrenOf (pid) {
  try {
    return fs.readdirSync(`/proc/${pid}/task`).flatMap((thread) => fs.readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number))
  } catch {
    return []
  }
}

function nameOf (pid) {
  try {
    return fs.readFileSync(`/proc/${pid}/comm`, 'utf8')
  } catch {
    return ''
  }
}

function isRunning (pid) {
  try {
    return !/^State:\s+Z/m.test(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

module.exports = { CAPTURES, canMount, isRoot, isRunning, shadowsOf, skip, start }
