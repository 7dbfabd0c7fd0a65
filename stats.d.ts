// What `probe.stats()` returns. Part of index.d.ts, which exports all of it.

import type { Estimate } from './index'

/** A distribution of durations, ms; resolution 6 %. */
export interface Distribution {
  /** How many. */
  count: number
  /** Median. */
  p50: number
  /** 95th percentile. */
  p95: number
  /** 99th percentile. */
  p99: number
  /** Largest. */
  max: number
  /** Mean. */
  mean: number
}

/** Counters and distributions of one route since the start. */
export interface RouteStats {
  /** Its name: method and template, `(not found)`, `other`, or a name that was given. */
  route: string
  /** Requests that ended, however they did. */
  requests: number
  /** Of them: connection closed before the response was out. */
  aborted: number
  /** Of them: became another protocol. */
  upgraded: number
  /** Of them: status 500 and above, or a tracked job that failed. */
  failed: number
  /** Durations of all that finished; absent without any. */
  durationMs?: Distribution
  /** The same over the last full window. */
  recentMs?: Distribution
  /** Mean share of app-thread time per request, ms. */
  threadMs: number
  /** Mean number of requests in flight during one of this route, itself included. */
  overlap: number
  /** Mean used-heap difference, end minus start, bytes. Jitters with collections: not a leak by itself. */
  heapDelta: number
  /** Mean share of bytes allocated on the JS heap. */
  allocated: number
  /** Mean external-memory difference, bytes. */
  externalDelta: number
  /** Kept per request, by resource; absent while there is not enough data. */
  kept?: { heap?: Estimate, external?: Estimate, listeners?: Estimate, timers?: Estimate }
}

/** What {@link Probe.stats} returns. */
export interface Stats {
  /** `leakprobe.stats/1`. */
  schema: string
  /** Time since the probe's start, ms. */
  uptimeMs: number
  /** All routes with at least one request, most requests first. */
  routes: RouteStats[]
  /** Requests in flight at the last tick, and the age of the oldest, ms. */
  inFlight: { count: number, oldestMs: number }
  /** Collections since the start; `floor` is the used heap after the last major one, bytes. */
  gc: { minor: number, major: number, pauseMs: number, maxPauseMs: number, floor?: number }
  /** The last reading of the app thread, bytes and counts; absent before the first tick. */
  heap?: HeapStats
  /** The last reading from `/proc` and the cgroup; absent where neither can be read. */
  process?: Record<string, unknown>
  /**
   * Where the process's memory is: resident bytes in parts that add up, see docs/memory-map.md. Taken every 10 s (`test`: 1 s), and more
   * rarely where that would take more than a thousandth of a core (`test`: a hundredth); `null` before the first, and elsewhere than on Linux.
   */
  memoryMap: MemoryMap | null
  /** Where what grows is made, most first; empty while nothing was suspect. At most 256. */
  sites: Site[]
  /** Open handles by Node's name of their type, as of the last reading; at most once a second. Not over HTTP. */
  handles: Record<string, number>
  /**
   * Worker threads: how many run, how many were started since the probe's start, and of how many the memory is known (Node.js 22.16 and
   * later), with their heaps and external memory, bytes, read once a second.
   */
  workers: { running: number, started: number, read: number, heapUsed: number, heapTotal: number, external: number }
  /** Floors asked of shadows: whether, why, how many so far, and when the next one is due, ms. */
  investigation: { state: 'off' | 'watch' | 'investigate' | 'known', because: string, floors: number, nextInMs?: number }
  /**
   * State of every trigger, with one sentence why: `warming up`, `armed`, `waiting`, `tripped`, `cooling down`, `throttled`,
   * `out of budget` or `unavailable`.
   */
  triggers: Array<{ name: string, state: string, because: string, trips: number, throttled: number }>
  /** How long ago the event loop last turned, ms; below `tickMs` in a healthy process. Absent before the first turn. */
  eventLoop?: { silentMs: number }
  /** Where all this is served over HTTP, or why it is not; absent where the option `serve` does not ask for it. */
  server?: { address?: string, because?: string }
  /** What came of each alarm's messages since the start. */
  alarms: AlarmStats[]
  /** The probe's own cost. */
  cost: Cost
}

/** What came of an alarm's messages. */
export interface AlarmStats {
  /** Its name. */
  name: string
  /** Accepted by its server. */
  delivered: number
  /** Given up: refused, failed eight times, or not delivered before the end. */
  givenUp: number
  /** On their way, or waiting to be sent again. */
  waiting: number
  /** Held back by `maxPerHour`. */
  throttled: number
  /** Lost, because too many were waiting. */
  dropped: number
  /** Attempts that failed. */
  failures: number
  /** RFC 3339; absent before the first. */
  lastDeliveredAt?: string
  /** Why the last attempt failed, without the address; absent once another one has succeeded. */
  lastFailure?: string
}

/** Resident memory in parts, at an instant. */
export interface MemoryMap {
  /** When the kernel was asked, RFC 3339. */
  at: string
  /** In this order; together all resident memory. A part that this process cannot tell is left out, and its bytes are in `other`. */
  parts: Array<{ name: MemoryPart, bytes: number }>
}

/** Name of a part of the resident memory. */
export type MemoryPart =
  | 'v8 new space' | 'v8 old space' | 'v8 code' | 'v8 large objects' | 'v8 other' | 'v8 free'
  | 'array buffers' | 'malloc in use' | 'malloc free' | 'stacks' | 'mapped files' | 'other'

/** A reading of the app thread, bytes and counts. */
export interface HeapStats {
  /** V8's `used_heap_size`. */
  used: number
  /** V8's `total_heap_size`. */
  total: number
  /** V8's `heap_size_limit`. */
  limit: number
  /**
   * What may be live: the smallest `limit` so far without the room for the young generation (three semi-spaces: 48 MiB by default on Node.js 20 and 22, up to
   * 192 MiB on 24 and later). Measured in each shadow of a floor; equal to `limit` until the first.
   */
  liveLimit: number
  /** V8's `external_memory`. */
  external: number
  /** V8's `malloced_memory`. */
  malloced: number
  /** Listeners on shared emitters and on `process`; absent when not counted. */
  listeners?: number
  /** Live timers; absent when not counted. */
  timers?: number
  /** Memory of `ArrayBuffer`s and `Buffer`s, garbage included; read at most once a second. */
  arrayBuffers?: number
  /** Open handles that keep the loop alive; counted at most once a second. */
  handles?: number
  /** Own keys of `globalThis`; counted at most once a second. */
  globalKeys?: number
}

/** Where listeners, timers or objects are made. */
export interface Site {
  /** What is made there. */
  what: 'listener' | 'timer' | 'heap-sample'
  /** What of: event and class of the emitter, or the function that makes the timer; absent for objects. */
  of?: string
  /** Live listeners or timers, estimated, or live bytes, sampled; of what was made since something grows. */
  count: number
  /** Frames outside Node and leakprobe, innermost first, at most 8. */
  stack: Frame[]
}

/** A place in the code; that of the source where Node has a source map. */
export interface Frame {
  /** Function; absent at a module's top level. For `heap-sample` its `line` is where it begins. */
  function?: string
  /** File from the folder of the application's package.json on, or URL. */
  file: string
  /** Line from 1; 0 when it is not known. */
  line: number
  /** Package; absent for the application's own files. */
  package?: string
}

/** What the probe itself cost. */
export interface Cost {
  /** Measured time on the app thread per request, ns; one request in 64 is timed. */
  perRequestNs?: number
  /** CPU of the probe's threads, ms. */
  cpuMs?: number
  /** Memory of the probe, bytes. */
  bytes: number
  /** Shadows made. */
  freezes: number
  /** Pauses of the app thread that the probe caused, ms. */
  pauseMs: { max: number, total: number }
  /**
   * The parts of all pauses for shadows together, ms: waiting until other threads sleep, checking the memory areas, the
   * fork, putting V8's marks back. Absent without any.
   */
  freezeMs?: { idle: number, areas: number, fork: number, restore: number }
  /** What freezing may cost in any hour, and what it did in the last; CPU of all shadows since the start, ms. */
  budget?: { freezesPerHour: { used: number, limit: number }, pauseMsPerHour: { used: number, limit: number }, capturesPerDay: { used: number, limit: number }, shadowCpuMs: number }
  /** What was dropped, by queue. */
  dropped: Record<string, number>
}
