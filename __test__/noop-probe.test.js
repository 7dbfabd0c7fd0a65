'use strict'

// The probe where there is no addon: the same methods, the same refusals, and nothing measured.

const assert = require('node:assert/strict')
const http = require('node:http')
const { test } = require('node:test')
const { cleanup } = require('./helper.js')
const { start } = require('../index.js')
const { NoopProbe } = require('../lib/noop-probe')
const { Probe } = require('../lib/probe')

function startNoop (t, options) {
  const probe = start({ directory: false, without: ['native'], ...options })
  cleanup(t, () => probe.stop())
  return probe
}

test('it has every method of a probe', () => {
  assert.deepEqual(Object.getOwnPropertyNames(Probe.prototype).filter((name) => !(name in NoopProbe.prototype)), [])
})

test('its report and stats are complete, and the capability says why there is nothing in them', (t) => {
  const probe = startNoop(t, { service: 'mails' })

  const { process: { capabilities, ...about }, ...report } = probe.report()
  assert.equal(capabilities.native.state, 'absent')
  assert.match(capabilities.native.because, /switched off by the option `without`/)
  assert.deepEqual([about.pid, about.node, about.service], [process.pid, process.version, 'mails'])
  assert.deepEqual([report.verdict, report.leaks, report.routes], ['learning', [], []])
  assert.deepEqual([probe.stats().routes, probe.stats().investigation.state, probe.stats().cost.freezes], [[], 'off', 0])
})

test('work runs, captures are refused with the reason, wrong arguments as ever', async (t) => {
  const probe = startNoop(t)
  const failure = new Error('of the job')

  assert.equal(probe.track('job:count', () => 3), 3)
  assert.throws(() => probe.track('job:fails', () => { throw failure }), failure)
  assert.equal(probe.setRoute(new http.IncomingMessage(null), 'GET /x'), undefined)
  await assert.rejects(probe.capture(), { code: 'LEAKPROBE_ERR_NATIVE' })
  await assert.rejects(probe.capture({ heapSnapshot: 1 }), { code: 'LEAKPROBE_ERR_ARGUMENT' })
  assert.throws(() => probe.track('', () => {}), { code: 'LEAKPROBE_ERR_ARGUMENT' })
  assert.throws(() => probe.setRoute({}, ''), { code: 'LEAKPROBE_ERR_ARGUMENT' })
})

test('it is the one probe of its process until it is stopped, and wrong options are refused', async (t) => {
  const probe = startNoop(t)

  assert.throws(() => start({ directory: false }), { code: 'LEAKPROBE_ERR_ALREADY_STARTED' })
  await probe.stop()
  await probe.stop()
  assert.throws(() => probe.report(), { code: 'LEAKPROBE_ERR_STOPPED' })
  assert.throws(() => start({ without: ['native'], tickMs: 1 }), { code: 'LEAKPROBE_ERR_OPTION' })
  startNoop(t)
})
