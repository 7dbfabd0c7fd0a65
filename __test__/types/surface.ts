// What a TypeScript application writes, checked in strict mode: nothing here runs.

import http from 'node:http'
import { analyzeHeapSnapshot, diffHeapSnapshots, start, honoRoutes, version } from '../../index.js'
import type { Gathering, HeapSnapshotAnalysis, HeapSnapshotDiff, Incident, Leak, Options, Probe, Report, Stats } from '../../index.js'

const options: Options = {
  directory: false,
  service: 'mails',
  preset: 'test',
  routeOf: (request) => request.url?.startsWith('/a') === true ? 'GET /a/:b' : undefined,
  routes: ['GET /pages/:revision'],
  triggers: [
    { name: 'slow', when: { type: 'latency', quantile: 0.95, aboveMs: 500, minRequests: 20 }, routes: ['GET /mails/*'], forMs: 30_000, heapSnapshot: true },
    { name: 'heap', when: { type: 'heap', aboveShare: 0.8 } },
    { name: 'stalled', when: { type: 'stall', aboveMs: 1_000 } },
    { name: 'limit', when: { type: 'heap-limit' } },
    { name: 'listeners', when: { type: 'listeners', above: 100 } },
    { name: 'timers', when: { type: 'timers', above: 100 }, cooldownMs: 1 },
    { name: 'baseline', when: { type: 'latency', timesBaseline: 2, aboveMs: 50, running: false }, exceptRoutes: ['GET /health'], maxTrips: { count: 1, perMs: 86_400_000 } },
    { name: 'several', when: { all: [{ type: 'slowdown', doublesWithinMs: 1e8 }, { any: [{ type: 'leak', kind: 'timer' }, { type: 'rss', growsBytes: 1e8, withinMs: 1000 }] }] }, actions: ['heap-snapshot', 'advise-restart'] },
    { name: 'others', when: { any: [{ type: 'running', aboveMs: 1000 }, { type: 'errors', aboveShare: 0.1 }, { type: 'floor', aboveBytes: 1 }, { type: 'cgroup', aboveShare: 0.9 }, { type: 'handles', grows: 5, withinMs: 1000 }, { type: 'descriptors', above: 5 }, { type: 'in-flight', above: 5 }] } }
  ],
  serve: { port: 0, host: '::1', token: '0123456789abcdef', hosts: ['app.internal'], heapSnapshots: false },
  without: ['native-gc']
}
const probe: Probe = start(options)
start({ triggers: false, reportFile: false, serve: 9464 })

const stats: Stats = probe.stats()
const served: string | undefined = stats.server?.address
const p95: number | undefined = stats.routes[0]?.durationMs?.p95
const report: Report = probe.report()
const leak: Leak | undefined = report.leaks[0]
const range: [number, number | null] | undefined = leak && [leak.perRequest.low, leak.perRequest.high]

probe.on('finding', (finding) => finding.route.length)
probe.on('incident', (incident) => incident.heapSnapshot.state)
probe.on('error', (error) => error.code.length)

async function use (): Promise<number> {
  const incident: Incident = await probe.capture({ heapSnapshot: true, reason: 'by-hand' })
  await probe.capture()
  const three: number = await probe.track('job:count', async () => 3)
  const four: number = probe.track('job:sync', () => 4)
  await probe.stop()
  return incident.id.length + three + four
}

http.createServer((request, response) => {
  probe.setRoute(request, 'POST /graphql sendMail')
  response.end()
})

start({
  alarms: [{ name: 'ops', url: 'https://hooks.example/', key: 'env:KEY', on: ['leak'] }],
  triggers: [{ name: 'x', when: { type: 'leak', limitWithinMs: 3_600_000 }, actions: ['cpu-profile', 'webhook'], alarms: ['ops'] }]
})
const delivered: number | undefined = stats.alarms[0]?.delivered
const oldSpace: number | undefined = stats.memoryMap?.parts.find(({ name }) => name === 'v8 old space')?.bytes
// @ts-expect-error an alarm without its URL
start({ alarms: [{ name: 'ops' }] })
// @ts-expect-error an option that does not exist
start({ directroy: '/tmp' })
// @ts-expect-error a condition without its threshold
start({ triggers: [{ name: 'x', when: { type: 'timers' } }] })
// @ts-expect-error neither a number nor a baseline
start({ triggers: [{ name: 'x', when: { type: 'latency' } }] })
// @ts-expect-error growth without its span
start({ triggers: [{ name: 'x', when: { type: 'rss', growsBytes: 5 } }] })
// @ts-expect-error no such action
start({ triggers: [{ name: 'x', when: { type: 'heap-limit' }, actions: ['page'] }] })
probe.on('restart-advised', ({ because, incident }) => because.length + (incident?.length ?? 0))
// @ts-expect-error a number where a text is expected
probe.setRoute(new http.IncomingMessage(null as never), 7)

export { honoRoutes, version, p95, delivered, oldSpace, range, served, use }

async function readHeapSnapshots (): Promise<void> {
  const analysis: HeapSnapshotAnalysis = await analyzeHeapSnapshot('a.heapsnapshot', { rows: 5, signal: AbortSignal.timeout(1000) })
  const diff: HeapSnapshotDiff = await diffHeapSnapshots(['a.heapsnapshot', 'b.heapsnapshot.gz'])
  const kinds: Array<Gathering['kind']> = [...analysis.gathering, ...diff.growth].map((row) => row.kind)
  console.log(kinds, analysis.census.promises.awaited, diff.snapshots[0]?.bytes)
  // @ts-expect-error: two files at least are an array
  await diffHeapSnapshots('a.heapsnapshot')
}
void readHeapSnapshots
