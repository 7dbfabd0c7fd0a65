'use strict'

// What is added to a server under test. Each variant is switched on before `http` is used and hands out the hooks that
// its users put into their servers: `begin(req, res, routeOf)` at the start of a request, or nothing where it hooks in by itself.

const path = require('node:path')

/** Variants in the order of the table. `none-again` is the control: the same as `none`, measured separately. */
const VARIANTS = ['none', 'none-again', 'leakprobe', 'prom-client', 'opentelemetry']

const TITLES = {
  none: 'none',
  'none-again': 'none, again (control)',
  leakprobe: 'leakprobe',
  'prom-client': 'prom-client',
  opentelemetry: 'OpenTelemetry http'
}

/**
 * @param {string} variant
 * @param {{ directory: string }} options directory that leakprobe may write to
 * @returns {undefined | ((req, res, routeOf: () => string) => void)}
 */
function install (variant, options) {
  if (variant === 'none' || variant === 'none-again') return undefined
  if (variant === 'leakprobe') return installLeakprobe(options)
  if (variant === 'prom-client') return installPromClient()
  if (variant === 'opentelemetry') return installOpenTelemetry()
  throw new RangeError(`unknown variant ${variant}; known are ${VARIANTS.join(', ')}`)
}

function installLeakprobe ({ directory }) {
  const { start } = require(path.join(__dirname, '..', '..', 'index.js'))
  start({ preset: 'production', directory, service: 'benchmark' })
}

// Default metrics and one histogram by method, route and status, observed when the response is out.
function installPromClient () {
  const client = require('prom-client')
  client.collectDefaultMetrics()
  const histogram = new client.Histogram({
    name: 'http_request_duration_seconds',
    help: 'duration of HTTP requests',
    labelNames: ['method', 'route', 'status_code']
  })
  return (req, res, routeOf) => {
    const end = histogram.startTimer()
    res.on('finish', () => end({ method: req.method, route: routeOf(), status_code: res.statusCode }))
  }
}

// Metrics only: no tracer provider, and a reader that nobody reads, so that what is measured is the recording.
function installOpenTelemetry () {
  const { registerInstrumentations } = require('@opentelemetry/instrumentation')
  const { HttpInstrumentation } = require('@opentelemetry/instrumentation-http')
  const { MeterProvider, MetricReader } = require('@opentelemetry/sdk-metrics')
  class IdleReader extends MetricReader {
    async onShutdown () {}
    async onForceFlush () {}
  }
  const meterProvider = new MeterProvider({ readers: [new IdleReader()] })
  registerInstrumentations({ meterProvider, instrumentations: [new HttpInstrumentation()] })
}

module.exports.VARIANTS = VARIANTS
module.exports.TITLES = TITLES
module.exports.install = install
