'use strict'

// Under PM2, in both of its modes: the probe has the application's name, version and options, and PM2 itself has none.

const assert = require('node:assert/strict')
const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { test } = require('node:test')
const { makeDirectory, until } = require('../helper.js')

const REGISTER = path.join(__dirname, '..', '..', 'register.js')
const BIN = path.join(__dirname, '..', '..', 'bin.js')
const PM2 = path.join(__dirname, 'node_modules', 'pm2', 'bin', 'pm2')

for (const [mode, instances] of [['fork', 1], ['cluster', 2]]) {
  test(`PM2, ${mode}: name, version, directory and options are the application's`, { timeout: 120_000 }, async (t) => {
    const home = makeDirectory(t)
    const folder = path.join(home, 'app')
    fs.mkdirSync(folder)
    fs.writeFileSync(path.join(folder, 'package.json'), '{ "name": "shop", "version": "7.8.9" }')
    fs.writeFileSync(path.join(folder, 'server.js'), "require('node:http').createServer((request, response) => response.end('ok')).listen(0, '127.0.0.1')")
    const app = {
      name: 'a', script: path.join(folder, 'server.js'), cwd: folder, exec_mode: mode, instances, interpreter: process.execPath,
      node_args: `--require ${REGISTER}`, env: { LEAKPROBE_PRESET: 'test', LEAKPROBE_REPORT_INTERVAL_MS: '500', LEAKPROBE_DIRECTORY: 'probes' }
    }
    fs.writeFileSync(path.join(home, 'apps.config.js'), `module.exports = { apps: [${JSON.stringify(app)}] }`)
    const pm2 = (...args) => spawnSync(process.execPath, [PM2, ...args], {
      cwd: home, encoding: 'utf8', timeout: 60_000, env: { PATH: process.env.PATH, HOME: home, PM2_HOME: path.join(home, 'pm2'), NODE_OPTIONS: `--require ${REGISTER}` }
    })
    try {
      const started = pm2('start', path.join(home, 'apps.config.js'))

      assert.equal(started.status, 0, started.stdout + started.stderr)
      const directory = path.join(folder, 'probes', 'shop')
      const processes = () => fs.existsSync(path.join(directory, 'processes')) ? fs.readdirSync(path.join(directory, 'processes')) : []
      await until(() => processes().length === instances && fs.existsSync(path.join(directory, 'report.json')))
      assert.equal(JSON.parse(fs.readFileSync(path.join(directory, 'report.json'))).process.service, 'shop')
      const history = () => spawnSync(process.execPath, [BIN, 'history', directory], { encoding: 'utf8' }).stdout
      await until(() => /^ *7\.8\.9 /m.test(history()))
      assert.deepEqual(fs.readdirSync(home).filter((name) => name.startsWith('.leakprobe')), [], 'no probe in PM2 itself')
    } finally {
      pm2('kill')
    }
  })
}
