'use strict'

// node --require leakprobe/register app.js, or --import. Options come from leakprobe.config.json and LEAKPROBE_*.
//
// It never throws and prints nothing of its own. Wrong options, or an addon that does not load, are told once by
// process.emitWarning with the error's code, and the application runs without a probe. Nothing is started in worker
// threads, nor in package managers: with NODE_OPTIONS they would load this file before the application's process does,
// and there is no server in them.

const path = require('node:path')
const { isWorkerThread } = require('./lib/threads')

const PACKAGE_MANAGERS = /^(?:npm|npx|yarn|yarnpkg|pnpm|pnpx|corepack)(?:-cli)?(?:-\d[\w.-]*)?(?:\.[cm]?js)?$/

function register () {
  try {
    require('./lib/index').startByRegister()
  } catch (error) {
    // Loaded twice, for example by NODE_OPTIONS and by the command line: the first one runs.
    if (error.code === 'LEAKPROBE_ERR_ALREADY_STARTED') return
    process.emitWarning(`leakprobe is not running: ${error.message}`, { type: 'LeakprobeWarning', code: error.code })
  }
}

if (!isWorkerThread() && !PACKAGE_MANAGERS.test(path.basename(process.argv[1] ?? ''))) register()
