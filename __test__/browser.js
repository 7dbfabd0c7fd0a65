'use strict'

// A Chromium that is installed, driven by playwright-core, for the tests and the screenshots of the dashboard.

const { spawnSync } = require('node:child_process')
const { chromium } = require('playwright-core')

const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome']
// No sandbox: it needs a kernel feature that containers lack, and the pages are ours. No calls home.
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']

/** @returns {string | undefined} path of the Chromium of this machine; `LEAKPROBE_CHROMIUM` names another one */
function findChromium () {
  const named = process.env.LEAKPROBE_CHROMIUM
  if (named !== undefined && named !== '') return named
  for (const name of NAMES) {
    const { status, stdout } = spawnSync('which', [name], { encoding: 'utf8' })
    if (status === 0) return stdout.trim()
  }
}

/** @returns {Promise<import('playwright-core').Browser>} */
function openBrowser () {
  return chromium.launch({ executablePath: findChromium(), args: FLAGS })
}

module.exports = { findChromium, openBrowser }
