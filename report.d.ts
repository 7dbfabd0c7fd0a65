import type { Capability, Cost, Estimate, RouteStats } from './index'

/** A usual suspect, judged over the life of the process: the last quarter of it against the first. */
export interface Hypothesis {
  /** Its name. */
  name: 'js-heap-leak' | 'native-leak' | 'handle-leak' | 'malloc-fragmentation' | 'v8-fragmentation' | 'page-faults' | 'gc-pressure' |
    'heap-limit' | 'cgroup-limit' | 'cpu' | 'blocked-event-loop' | 'load-increase'
  /** What the numbers say. */
  state: 'ruled out' | 'supported' | 'not enough data'
  /** One sentence with the number. */
  because: string
  /** The numbers, by name with their unit: bytes, shares of 1, counts, or per second. */
  numbers: Record<string, number>
}

/** What {@link Probe.report} returns. */
export interface Report {
  /** `leakprobe.report/1`. */
  schema: string
  /** Whose report it is. */
  process: {
    /** Process id. */
    pid: number
    /** Start of the probe, RFC 3339. */
    startedAt: string
    /** Time since then, ms. */
    uptimeMs: number
    /** `process.version`. */
    node: string
    /** Name of the service. */
    service: string
    /** What works in this process, by which source, and why not where it does not. */
    capabilities: Record<string, Capability>
  }
  /** The conclusion in one word. */
  verdict: 'leaking' | 'suspect' | 'clear' | 'learning'
  /** What leaks, largest first. */
  leaks: Leak[]
  /** Routes that got slower with the age of the process, the largest growth first. */
  slowdowns: Slowdown[]
  /** The usual suspects, each judged by its own numbers; what each means is in docs/hypotheses.md. */
  hypotheses: Hypothesis[]
  /** The routes with the most requests, at most 50. */
  routes: RouteStats[]
  /** What the probe itself cost. */
  cost: Cost
}

/** A route that got slower with the age of the process: docs/slowdowns.md. */
export interface Slowdown {
  /** The route. */
  route: string
  /** What got slower: its own work on the app thread, the median latency, or that of the slowest tenth. */
  by: 'app-thread-time' | 'latency' | 'high-latency'
  /** That at low age, ms. */
  baselineMs: number
  /** And of late, ms. */
  nowMs: number
  /** At this rate it doubles in so long, ms. */
  doublingTimeMs: number
  /** 95 % interval of the doubling time, ms. */
  doublingTimeRangeMs: [number, number]
  /** What rises with it: `leak:` and the leak's id, `gc`, `cpu`, `stall` or `unknown`. A correlation. */
  movesWith: string
  /** Lives of processes of the service in which it was seen, this one included; 1: in this one alone. */
  lives: number
  /** One sentence with the numbers. */
  because: string
}

/** A finding with a route and a kind. */
export interface Leak {
  /** Fingerprint: the same in every process and after every restart. */
  id: string
  /** The route whose requests keep it. */
  route: string
  /** All routes that it may be, when their traffic cannot be told apart. */
  routes: string[]
  /** What kind of leak it is. */
  kind: 'collection' | 'listener' | 'timer' | 'closure' | 'native' | 'unknown'
  /** What grows: what `perRequest` counts. */
  resource: 'heap' | 'external' | 'arrayBuffers' | 'native' | 'listeners' | 'timers' | 'handles' | 'descriptors' | 'inFlight' | 'globals'
  /** 0 to 0.99: less what chance leaves of doubt; further witnesses that agree make the doubt smaller. */
  confidence: number
  /** Start of the observations that show it, RFC 3339. */
  since: string
  /** What one request keeps. */
  perRequest: Estimate
  /** What it amounts to over the observations, and per hour at their traffic. */
  growth: { perHour: number, total: number, unit: string }
  /** Until the heap limit at this rate, ms; absent where nothing approaches it. */
  timeToLimitMs?: number
  /**
   * Whose code keeps it, as far as the evidence carries: `package` is absent for own files, `retainingPath` empty where neither a walk nor
   * a heap snapshot tells. `pathBy` says what connects that path with the leak, the surest first: `growth` (walks saw it grow with the
   * route), `place` (it is the code that sites named), `watched-requests` (it keeps those), `amount` (nothing else of its kind is as much).
   */
  culprit?: { package?: string, file?: string, line?: number, function?: string, retainingPath: string[], pathBy?: 'growth' | 'place' | 'watched-requests' | 'amount' }
  /** The witnesses. */
  evidence: Array<{ by: string, [detail: string]: unknown }>
  /** What is known of it from earlier lives of the service; absent without a history. */
  known?: KnownLeak
}

/** A leak in the history of the service. */
export interface KnownLeak {
  /** When it was first reported, RFC 3339, UTC. */
  firstAt: string
  /** The version, or else the revision, of the application then; absent when neither was known. */
  firstVersion?: string
  /** That again, when other versions ran for half an hour or more before, and it was not in them. */
  newSince?: string
  /** Lives of processes in which it was reported, this one included. */
  lives: number
  /** The first and the last incident with it; `directory` is where it is, or was. */
  incidents: Array<{ id: string, directory?: string | null }>
  /** One sentence. */
  because: string
}
