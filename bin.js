#!/usr/bin/env node
'use strict'

// The command line is in the addon; this hands over what is typed, and prints what comes back. `top` runs on: it is in lib/.

const fs = require('node:fs')
const os = require('node:os')
const { loadNative } = require('./lib/native')

// A reader that went away (`leakprobe report DIR | head`) is no error.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error) => {
    if (error.code !== 'EPIPE') throw error
  })
}

if (process.env.LEAKPROBE_BACKGROUND !== undefined) stepBack()

if (process.argv[2] === 'top') {
  require('./lib/top').top(process.argv.slice(3), process).then((code) => { process.exitCode = code }, fail)
} else {
  command()
}

function command () {
  try {
    const width = process.stdout.columns ?? 100
    const color = process.stdout.isTTY === true && process.env.NO_COLOR === undefined
    const { code, stdout, stderr } = loadNative().runCli(process.argv.slice(2), width, color, process.stderr.isTTY === true)
    process.stdout.write(stdout)
    process.stderr.write(stderr)
    process.exitCode = code
  } catch (error) {
    fail(error)
  }
}

function fail (error) {
  process.stderr.write(`leakprobe: ${error.message}\n`)
  process.exitCode = 1
}

// For an analysis beside a running app: it gets the CPU that nobody else wants, and is the first to go for want of memory.
function stepBack () {
  try {
    os.setPriority(os.constants.priority.PRIORITY_LOW)
    fs.writeFileSync('/proc/self/oom_score_adj', '1000')
  } catch {
    // Where that is not allowed it runs like any other.
  }
}
