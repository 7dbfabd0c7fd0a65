/// <reference types="node" />

import type { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Alarm, RestartAdvice } from './lib/alarms'
import type { Leak, Report } from './report'
import type { Cost, RouteStats, Stats } from './stats'

export * from './report'
export * from './stats'

/** Version of this package. */
export const version: string

/**
 * Starts watching this process. At most one probe runs per process; where `leakprobe/register` has started one already,
 * that one is returned, with the options of the config file and the environment.
 *
 * Where the addon does not load, one warning says why, and the probe that is returned measures nothing: its report has
 * `capabilities.native.state` `absent`, `capture()` rejects with `LEAKPROBE_ERR_NATIVE`, and `track()` only runs the work.
 *
 * @throws an error with a `code` of {@link ErrorCode}
 */
export function start (options?: Options): Probe

/**
 * Middleware for hono on Node (`@hono/node-server`): `app.use(honoRoutes())` before the routes. hono keeps the matched
 * route to itself; without this line its paths are normalised.
 */
export function honoRoutes (): (context: any, next: () => Promise<void>) => Promise<void>

export * from './lib/heap-snapshots'
export * from './lib/alarms'

/** A running probe. Its listeners are called on the app thread. */
export interface Probe extends EventEmitter {
  /** Counters, routes, readings of the process, and the probe's own cost, as of now. */
  stats (): Stats

  /** What leaks, by route, as of now; the same as `report.json`. */
  report (): Report

  /**
   * Writes an incident. Resolves when it is complete on disk, heap snapshot included; the process stays alive until then,
   * for 10 minutes at most. Rejects with `LEAKPROBE_ERR_CAPTURE` where that fails or the probe is stopped meanwhile.
   */
  capture (options?: CaptureOptions): Promise<Incident>

  /**
   * Runs `work` as one request of the route `name`, for what is not HTTP. Returns what `work` returns and throws what it
   * throws; a promise that it returns ends the request when it settles.
   */
  track<T> (name: string, work: () => T): T

  /**
   * Names the route of a request; wins over the framework and over `routeOf`. Takes Node's request, fastify's request, and
   * the contexts of koa and hono. A name that begins with `/` gets the request's method in front.
   */
  setRoute (request: IncomingMessage | { raw: unknown } | { req: unknown } | { env: unknown }, name: string): void

  /** Undoes everything and writes the last report. A second call does nothing. */
  stop (): Promise<void>

  /** A rule concluded something. */
  on (event: 'finding', listener: (finding: Leak) => void): this
  /** An incident was written; once more when its heap snapshot is there. */
  on (event: 'incident', listener: (incident: Incident) => void): this
  /** A trigger with the action `advise-restart` has tripped. Also on the diagnostics channel `leakprobe:restart-advised`. */
  on (event: 'restart-advised', listener: (advice: RestartAdvice) => void): this
  /** Something went wrong in the background. Without a listener it is not thrown, it stands in the capabilities only. */
  on (event: 'error', listener: (error: Error & { code: string }) => void): this
  on (event: string | symbol, listener: (...args: any[]) => void): this
}

/** Options of {@link start}. Each can also stand in `leakprobe.config.json` and, but for `routeOf`, in the environment. */
export interface Options {
  /** Defaults of the other options: `production`, or `test`, which reaches a verdict in seconds. Default `production`. */
  preset?: 'production' | 'test'
  /** Where evidence is kept; `false`: nothing on disk. Default `.leakprobe` in the working directory. */
  directory?: string | false
  /** Name of the service, a folder's name. Default: `name` of the package.json nearest to the main script, else `app`. */
  service?: string
  /**
   * Names a request's route, called when its response is out; `undefined` leaves it to the framework and the path. A name
   * that begins with `/` gets the request's method in front. What it throws never reaches the application.
   */
  routeOf?: (request: IncomingMessage) => string | undefined
  /** Templates such as `GET /pages/:revision`, for servers without a known router. Default none. */
  routes?: string[]
  /** Routes told apart, 1 to 5 000; later ones are counted as `other`. Default 500. */
  maxRoutes?: number
  /** Length of a window, ms, 100 to 3 600 000. Default 10 000 (`test`: 1 000). */
  windowMs?: number
  /** Time after the start that is kept out of the attribution, ms, 0 to 86 400 000. Default 60 000 (`test`: 2 000). */
  warmUpMs?: number
  /** Between two counts of listeners and timers, ms, 10 to 10 000. Default 250. */
  tickMs?: number
  /**
   * Heap snapshots are written without the contents of strings, keys of dictionaries and source texts; names of classes, functions and
   * properties stay. Takes some six bytes of the app's memory for each object while one is written. Default false.
   */
  redactHeapSnapshots?: boolean
  /**
   * Who writes a shadow's heap snapshot: V8's generator (`v8`), which needs 8 to 20 times the heap in memory and 50 to 110 ms per MB; the
   * walk over the heap (`walk`), with about a fifteenth of that memory and a third of the time, where `capabilities.heapWalk` is on; or V8's
   * generator where there is room for it and the walk elsewhere. Default `auto`.
   */
  heapSnapshotBy?: 'auto' | 'v8' | 'walk'
  /**
   * Where floors come from: full collections in a shadow when something grows (`shadow`), major collections that happen anyway
   * (`natural`), or two full collections in the app thread once per `floorIntervalMs` while requests come in (`forced`). `auto`, and
   * `shadow` where nothing can be frozen: `shadow`, else `natural`, under the preset `test` `forced`. Default `auto`.
   */
  floors?: 'auto' | 'natural' | 'forced' | 'shadow'
  /** Between two forced collections, ms, 100 to 3 600 000. Default 1 000. */
  floorIntervalMs?: number
  /** Most of the time that forced collections may take, a share, 0.001 to 0.5. Default 0.05. */
  floorPauseShare?: number
  /**
   * One in so many ended requests of each route is held by a `WeakRef`, 0 to 1 000 000, 0: none; about 4 per second at
   * most, but for 1: every one. A shadow's floor says which of them somebody keeps. Default 32 (`test`: 4).
   */
  watchOneIn?: number
  /** Between two writings of the report, ms, 100 to 3 600 000. Default 10 000 (`test`: 1 000). */
  reportIntervalMs?: number
  /** A second place where the report is kept current, besides the directory; `false`: none. Default `false`. */
  reportFile?: string | false
  /** Who is told by webhook, at most 16; see docs/alarms.md. `false`: nobody. Default `false`. */
  alarms?: Alarm[] | false
  /** Triggers in place of the default ones; `false`: none. */
  triggers?: Trigger[] | false
  /** Incidents kept, 1 to 10 000; the oldest go first. Default 20. */
  maxIncidents?: number
  /** Bytes that all incidents together may take, from 1 048 576. Default 1 073 741 824. */
  maxIncidentBytes?: number
  /** Incidents are kept for so long, ms, from 3 600 000 to 10 years; the newest stays. Default 2 592 000 000 (30 days). */
  maxIncidentAgeMs?: number
  /**
   * Free bytes of the disk below which nothing is captured; from 0. Default `'auto'`: a twentieth of the file system, but 256 MiB at
   * least and 4 GiB at most.
   */
  minFreeDiskBytes?: number | 'auto'
  /**
   * Heap snapshots that triggers may ask for in any day, 0 to 10 000, of all processes of the service together. `capture()` is
   * counted, but not refused. Default 24 (`test`: 1 000).
   */
  maxCapturesPerDay?: number
  /** Keeps a history of the service in `history.sqlite`, beside the incidents; `false`: none. Default true. */
  history?: boolean
  /** Bytes that the history's file may take, from 4 194 304; what is oldest goes first. Default 104 857 600. */
  maxHistoryBytes?: number
  /** Version of the application, at most 100 letters, for the history. Default: `version` in the package.json nearest to the main script. */
  version?: string
  /** Records that may wait for the background thread, 64 to 1 048 576; more are dropped and counted. Default 16 384. */
  queueCapacity?: number
  /** Shadows that triggers may ask for in any hour, 0 to 10 000, of all processes of the service together. `capture()` is counted, but not refused. Default 60 (`test`: 3 600). */
  maxFreezesPerHour?: number
  /** Pause of the app for shadows in any hour from which on triggers get none, ms, 0 to 3 600 000. Default 2 000 (`test`: 60 000). */
  maxFreezePauseMsPerHour?: number
  /**
   * Serves metrics, a JSON interface and the dashboard over HTTP, from a thread that JavaScript cannot block: a port, 0 for any that is
   * free, or more; see docs/http-api.md. Where it answers is in `stats().server`. A port that is taken does not keep the app from
   * starting. Costs a thread, some 2 MB with many routes, and nothing on the app thread. Default `false`.
   */
  serve?: number | Serve | false
  /**
   * Each captured heap snapshot is analysed by a process of its own with the lowest priority, where memory allows; its result is
   * `heapSnapshot` in the incident's `analysis.json`, and its report's leaks get their retaining paths from it. Default true.
   */
  analyzeHeapSnapshots?: boolean
  /** A trigger's heap snapshot is not taken when its predicted pause is longer, ms, 0 to 3 600 000. Default 5 000 (`test`: 20 000). */
  maxSnapshotPauseMs?: number
  /** Parts to do without, so that their fallback is used; without `native` the probe does nothing. Default none. */
  without?: Array<'native' | 'freeze' | 'native-heap-statistics' | 'native-gc' | 'listener-hooks' | 'timer-hooks' | 'loop-idle-time' | 'interrupt' | 'heap-limit' | 'object-count' | 'heap-walk' | 'listener-sites' | 'timer-sites' | 'heap-samples' | 'native-heap-samples'>
}

/** Where and to whom is served. */
export interface Serve {
  /** The port, 0 to 65 535; 0: any that is free. */
  port: number
  /** An IP address, or `localhost`. Default `127.0.0.1`. Anything but a loopback address needs a token. */
  host?: string
  /** What clients have to know: 16 to 512 characters of ASCII without spaces. Default none. */
  token?: string
  /** Names besides the address's own under which clients ask, without ports, at most 32: `['app.internal']`. Default none. */
  hosts?: string[]
  /** Heap snapshots that are not redacted may be downloaded; they hold what was in the app's memory. Default false. */
  heapSnapshots?: boolean
}

/** A condition with its limits and what to do when it holds; see docs/triggers.md. */
export interface Trigger {
  /** Unique, 1 to 40 lower-case letters, digits and dashes; part of the incident's folder name. */
  name: string
  /** What has to hold: one condition, or several with `all` or `any`, at most 8 and at most 3 deep. */
  when: When
  /** Globs of routes, `*` matches any text; only with conditions of routes. Default every route. */
  routes?: string[]
  /** Globs of routes that are left out of `routes`. Default none. */
  exceptRoutes?: string[]
  /** The condition must hold this long without a break, ms. Default 30 000 (`test`: 3 000); with `stall` or `heap-limit` 0. */
  forMs?: number
  /** After a trip the value must fall below this share of the threshold before the trigger arms again. Default 0.8. */
  clearRatio?: number
  /** Not judged before this age of the probe, ms. Default 60 000 (`test`: 3 000). */
  warmUpMs?: number
  /** At least this long between two trips, ms. Default 600 000 (`test`: 30 000). */
  cooldownMs?: number
  /** Trips in any hour, 1 to 3 600. Default 4 (`test`: 60). */
  maxPerHour?: number
  /** Besides, at most `count` trips, 1 to 1 000, in any `perMs`, a second to 30 days. Default no such limit. */
  maxTrips?: { count: number, perMs: number }
  /** Also take a heap snapshot; the same as the action `heap-snapshot`. Default `false`. */
  heapSnapshot?: boolean
  /** What is done at a trip; none: the trip is only counted. Default `['record']`. */
  actions?: TriggerAction[]
  /** Names of the alarms that are told, 1 to 16; brings the action `webhook`. Default all, if `actions` has `webhook`. */
  alarms?: string[]
}

/**
 * What is done at a trip: `record` writes an incident; `shadow-collection` asks a shadow for stack, exact floor and a walk
 * over the heap; `heap-snapshot` takes one; `heap-samples` runs V8's sampling heap profiler for ten minutes; `cpu-profile` runs V8's CPU
 * profiler for 10 s (`test`: 1 s); `webhook` tells alarms; `advise-restart` emits `restart-advised`. The second, third and fifth bring
 * `record` with them.
 */
export type TriggerAction = 'record' | 'shadow-collection' | 'heap-snapshot' | 'heap-samples' | 'cpu-profile' | 'webhook' | 'advise-restart'

/** One condition, or several. Conditions of routes inside `all` speak of the same route. */
export type When = Condition | { all: When[] } | { any: When[] }

/** A number of bytes: more than `aboveBytes`, or grown by more than `growsBytes` within `withinMs`, 1 000 to 2 592 000 000. */
export type BytesLimit = { aboveBytes: number } | { growsBytes: number, withinMs: number }

/** A count: more than `above`, or grown by more than `grows` within `withinMs`, 1 000 to 2 592 000 000. */
export type CountLimit = { above: number } | { grows: number, withinMs: number }

/** What a trigger watches. */
export type Condition =
  /**
   * A route's latency quantile (default 0.95) over the windows of the last `forMs` (1 to 60 windows), with at least `minRequests`
   * (default 20) in them, is above `aboveMs`, or above `timesBaseline`, 1.05 to 1 000, times the same quantile at low age of the
   * process; with both, above both. Requests that still run (`running`, default true) count once they are older than the threshold, as
   * long as their response has not begun.
   */
  | { type: 'latency', aboveMs: number, timesBaseline?: number, quantile?: number, minRequests?: number, running?: boolean }
  | { type: 'latency', timesBaseline: number, aboveMs?: number, quantile?: number, minRequests?: number, running?: boolean }
  /** A route is reported as a slowdown whose time doubles within this many ms, from 1 000. */
  | { type: 'slowdown', doublesWithinMs: number }
  /** So many requests of a route (default 1, at most 256) have run for `aboveMs`, from 100, and their response has not begun. */
  | { type: 'running', aboveMs: number, count?: number }
  /** Share, 0 to 0.999, of a route's requests that failed, over the windows of the last `forMs`, with at least `minRequests` (default 20). */
  | { type: 'errors', aboveShare: number, minRequests?: number }
  /**
   * A leak of a route is reported, of this kind (default any), with at least this confidence, 0 to 0.99 (default 0), and with `limitWithinMs`,
   * 1 000 to 2 592 000 000, one that reaches the heap limit in this time at its rate.
   */
  | { type: 'leak', minConfidence?: number, kind?: Leak['kind'], limitWithinMs?: number }
  /** The heap right after a full collection, of V8 or in a shadow. */
  | { type: 'floor' } & BytesLimit
  /** Resident memory; Linux. */
  | { type: 'rss' } & BytesLimit
  /** Used heap as a share, 0.01 to 1, of V8's heap limit or the cgroup's memory limit, the smaller. */
  | { type: 'heap', aboveShare: number }
  /** Memory of the cgroup as a share, 0.01 to 1, of its limit, without what the kernel can give up. */
  | { type: 'cgroup', aboveShare: number }
  /** The event loop has not turned for this long, ms, from 50. */
  | { type: 'stall', aboveMs: number }
  /** V8 is about to give up at its heap limit; the limit is raised a little, so that evidence can be taken. Stands alone. */
  | { type: 'heap-limit' }
  /** Listeners on shared emitters. */
  | { type: 'listeners' } & CountLimit
  /** Live timers. */
  | { type: 'timers' } & CountLimit
  /** Open handles. */
  | { type: 'handles' } & CountLimit
  /** Open descriptors; Linux. */
  | { type: 'descriptors' } & CountLimit
  /** Requests in flight. */
  | { type: 'in-flight' } & CountLimit

/** Options of {@link Probe.capture}. */
export interface CaptureOptions {
  /**
   * Also take a heap snapshot. A shadow takes it: the app stands still for some milliseconds; where freezing is impossible,
   * for 50 to 110 ms per MB of heap. Default `false`.
   */
  heapSnapshot?: boolean
  /**
   * Ask a shadow for the app thread's stack and the exact floor (full collections, then the heap's numbers) also without
   * a heap snapshot. Costs the app the pause of one freeze, some milliseconds. Default `false`.
   */
  floor?: boolean
  /** Part of the incident's folder name, 1 to 40 letters, digits, dots, dashes and underscores. Default `manual`. */
  reason?: string
}

/** A directory of evidence on disk. */
export interface Incident {
  /** Unique among the incidents of the service. */
  id: string
  /** Its folder; absent where nothing is kept on disk. */
  directory?: string
  /** Name of the trigger, or the reason given to `capture()`. */
  reason: string
  /** State of the heap snapshot; `because` says why it was refused or failed, `pauseMs` what it cost the app. */
  heapSnapshot: { state: 'not-asked' | 'refused' | 'pending' | 'written' | 'failed', because?: string, file?: string, pauseMs?: number, [detail: string]: unknown }
  /** State of the shadow that was asked for stack and floor, or for the heap snapshot; `pauseMs` is what it cost the app. */
  shadow: { state: 'not-asked' | 'refused' | 'pending' | 'answered' | 'failed', because?: string, attempts?: number, pauseMs?: number, [detail: string]: unknown }
  /** State of the CPU profile; absent when none was asked for. `pauseMs` is what starting and reading it cost the app thread. */
  cpuProfile?: { state: 'refused' | 'pending' | 'written' | 'failed', because?: string, file?: string, bytes?: number, ms?: number, pauseMs?: number }
  /** Name of the stack's file in the directory, where a shadow told it. */
  stack?: string
  /** What the shadow's walk over the heap found, in numbers; `file` has the whole of it. Absent where there was none. */
  walk?: { state: 'answered' | 'failed', because?: string, file?: string, liveObjects?: number, liveBytes?: number, ms?: number, [detail: string]: unknown }
  /** Earlier incidents in which the same leaks were reported; absent without any. */
  sameAs?: Array<{ leak: string, incident: string, directory?: string | null }>
  /** Why nothing was written, where the disk is too full for it. */
  notWritten?: string
  /** More, as documented for `incident.json`. */
  [field: string]: unknown
}

/** An estimate with its interval. */
export interface Estimate {
  /** Best estimate. */
  value: number
  /** Lower end of the interval. */
  low: number
  /** Upper end of the interval; `null` where the readings allow any amount. */
  high: number | null
  /** `bytes`, `listeners` or `timers`. */
  unit: string
}

/** Whether one thing works in this process. */
export interface Capability {
  /** How it works, if it does. */
  state: 'native' | 'fallback' | 'off' | 'absent'
  /** Where the numbers come from, or why they do not. */
  because: string
}

/** Codes of the errors thrown here. */
export type ErrorCode =
  /** An option is unknown, of the wrong type or out of range: see `option`, `expected`, `received`, `source`. */
  | 'LEAKPROBE_ERR_OPTION'
  /** The config file cannot be read or parsed: see `file`, `line`, `column`. */
  | 'LEAKPROBE_ERR_CONFIG_FILE'
  /** The addon is missing, made for another platform, or forbidden; the message says what to do. */
  | 'LEAKPROBE_ERR_NATIVE'
  /** A probe is running already. */
  | 'LEAKPROBE_ERR_ALREADY_STARTED'
  /** `start()` in a worker thread. */
  | 'LEAKPROBE_ERR_WORKER'
  /** The probe is stopped. */
  | 'LEAKPROBE_ERR_STOPPED'
  /** The incident could not be captured. */
  | 'LEAKPROBE_ERR_CAPTURE'
  /** A heap snapshot's file cannot be read or is damaged; the message says where. */
  | 'LEAKPROBE_ERR_HEAP_SNAPSHOT'
  /** An argument of another function is wrong: see `argument`, `expected`, `received`. */
  | 'LEAKPROBE_ERR_ARGUMENT'
  /** The directory that was named cannot be made or written to; without the default one the probe runs on. */
  | 'LEAKPROBE_ERR_DIRECTORY'
  /** An incident needs a directory, and this probe keeps nothing on disk. */
  | 'LEAKPROBE_ERR_NO_DIRECTORY'
  /** A fault of leakprobe's own; the message says where. The application is not harmed. */
  | 'LEAKPROBE_ERR_INTERNAL'
  /** An alarm's certificates cannot be read, or its thread cannot be started. */
  | 'LEAKPROBE_ERR_ALARM'
  /** The background thread cannot be started. */
  | 'LEAKPROBE_ERR_THREAD'
  /** No such incident waits for a heap snapshot. */
  | 'LEAKPROBE_ERR_UNKNOWN_INCIDENT'
  /** Too many captures wait to be written. */
  | 'LEAKPROBE_ERR_BUSY'
  /** A file, a pipe or a text could not be made. */
  | 'LEAKPROBE_ERR_IO'
