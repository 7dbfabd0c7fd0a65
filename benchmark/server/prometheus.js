'use strict'

// A Prometheus of this machine scrapes the demo's leaking server under load, with the alert rules of docs/grafana/. Told is which
// alerts fired, for which routes.

const { fork, spawn, spawnSync } = require('node:child_process')
const { once } = require('node:events')
const fs = require('node:fs')
const path = require('node:path')
const { setTimeout: wait } = require('node:timers/promises')

const ROOT = path.join(__dirname, '..', '..')
const DEMO = path.join(ROOT, 'demo')

/** Resolves with one line of text; without a Prometheus with why not. */
async function prometheus (seconds, directory) {
  if (spawnSync('prometheus', ['--version']).error !== undefined) return 'prometheus: not installed (Debian: prometheus)'
  const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('LEAKPROBE_')))
  const reportFile = path.join(directory, 'report.json')
  const server = fork(path.join(DEMO, 'server.js'), [], {
    execArgv: ['--require', path.join(ROOT, 'register.js')],
    env: { ...environment, LEAKPROBE_CONFIG: path.join(DEMO, 'leakprobe.config.json'), LEAKPROBE_DIRECTORY: directory, LEAKPROBE_SERVE: '0', LEAKPROBE_REPORT_FILE: reportFile, DEMO_TEMPLATES_PER_CHECK: String(Math.max(1, Math.round(8 * seconds / 40))) },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc']
  })
  const [{ port }] = await once(server, 'message')
  const load = fork(path.join(DEMO, 'load.js'), [port, seconds, 1].map(String), { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const target = await served(reportFile)
  const scraper = startPrometheus(directory, target)
  try {
    await wait(seconds * 1000)
    const metrics = await (await fetch(`http://${target}/metrics`)).text()
    const lint = spawnSync('promtool', ['check', 'metrics'], { input: metrics, encoding: 'utf8' })
    const asked = await query(scraper.address, 'max_over_time(ALERTS{alertstate="firing"}[1h])')
    const up = await query(scraper.address, 'avg_over_time(up[1h])')
    const count = await query(scraper.address, 'count_over_time(up[1h])')
    const slowest = await query(scraper.address, 'max_over_time(scrape_duration_seconds[1h])')
    const alerts = asked.map(({ metric }) => `${metric.alertname} ${metric.route ?? ''}`.trim()).sort()
    const leaks = JSON.parse(fs.readFileSync(reportFile)).leaks.map(({ route }) => route).sort()
    return `prometheus: ${value(count)} scrapes in ${seconds} s, ${(100 * value(up)).toFixed(1)} % succeeded, the slowest ${(1000 * value(slowest)).toFixed(1)} ms; ` +
      `promtool check metrics: ${lint.status === 0 && lint.stdout + lint.stderr === '' ? 'clean' : lint.stdout + lint.stderr}\n` +
      `alerts that fired: ${[...new Set(alerts)].join(', ') || 'none'}\nreported leaks: ${leaks.join(', ') || 'none'}`
  } finally {
    for (const child of [load, server, scraper.child]) child.kill('SIGKILL')
    await once(scraper.child, 'exit')
  }
}

async function served (reportFile) {
  for (;;) {
    try {
      return new URL(JSON.parse(fs.readFileSync(reportFile)).process.capabilities.server.because).host
    } catch {
      await wait(100)
    }
  }
}

function startPrometheus (directory, target) {
  const config = path.join(directory, 'prometheus.json')
  fs.writeFileSync(config, JSON.stringify({
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [path.join(ROOT, 'docs', 'grafana', 'alerts.yml')],
    scrape_configs: [{ job_name: 'leakprobe', static_configs: [{ targets: [target] }] }]
  }))
  const port = 20_000 + process.pid % 20_000
  const child = spawn('prometheus', [`--config.file=${config}`, `--storage.tsdb.path=${path.join(directory, 'tsdb')}`, `--web.listen-address=127.0.0.1:${port}`, '--log.level=error'], { stdio: ['ignore', 'inherit', 'inherit'] })
  return { child, address: `http://127.0.0.1:${port}` }
}

async function query (address, query) {
  const { data } = await (await fetch(`${address}/api/v1/query?query=${encodeURIComponent(query)}`)).json()
  return data.result
}

function value ([sample]) {
  return Number(sample?.value[1])
}

module.exports = { prometheus }
