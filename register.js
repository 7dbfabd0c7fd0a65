'use strict'

// node --require leakprobe/register app.js, or --import. Options come from leakprobe.config.json and LEAKPROBE_*.
//
// It never throws and prints nothing of its own. Wrong options, or an addon that does not load, are told once by
// process.emitWarning with the error's code, and the application runs without a probe. Nothing is started in worker
// threads, nor in package managers and PM2's own processes: with NODE_OPTIONS they would load this file before the
// application's process does, and there is no server of the application's in them.

const path = require('node:path')
const { isWorkerThread } = require('./lib/threads')

const MANAGERS = /^(?:npm|npx|yarn|yarnpkg|pnpm|pnpx|corepack|pm2|pm2-runtime|pm2-docker|pm2-dev)(?:-cli)?(?:-\d[\w.-]*)?(?:\.[cm]?js)?$/
const PM2_DAEMON = /[\\/]pm2[\\/]lib[\\/]Daemon\.js$/

function isManager (script = '') {
  return MANAGERS.test(path.basename(script)) || PM2_DAEMON.test(script)
}

function register () {
  try {
    require('./lib/index').startByRegister()
  } catch (error) {
    // Loaded twice, for example by NODE_OPTIONS and by the command line: the first one runs.
    if (error.code === 'LEAKPROBE_ERR_ALREADY_STARTED') return
    process.emitWarning(`leakprobe is not running: ${error.message}`, { type: 'LeakprobeWarning', code: error.code })
  }
}

if (!isWorkerThread() && !isManager(process.argv[1])) register()
