import type { Capability, Cost, Leak, RouteStats } from './index'

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
  /** One sentence with the numbers. */
  because: string
}
