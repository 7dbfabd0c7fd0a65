// Who is told, and what restarts are advised with. Part of index.d.ts, which exports all of it.

/** Somebody who is told: by a trigger's action `webhook`, and of findings. Its `url` and `key` are never shown. */
export interface Alarm {
  /** Unique, 1 to 40 lower-case letters, digits and dashes. */
  name: string
  /** `http:` or `https:`, at most 2 000 characters, without user and password; or `env:NAME`, an environment variable. */
  url: string
  /** Signs each message by HMAC-SHA256, 16 to 500 characters, or `env:NAME`; not with `slack`. Default not signed. */
  key?: string
  /** Form of the body: `leakprobe.alarm/1`, or `{ text }` for Slack. Default `json`. */
  format?: 'json' | 'slack'
  /** Findings that are told without a trigger, each once. Default both. */
  on?: Array<'leak' | 'slowdown'>
  /** Messages in any hour, 1 to 1 000. Default 12 (`test`: 1 000). */
  maxPerHour?: number
  /** PEM file of certificate authorities in place of Mozilla's. */
  caFile?: string
}

/** What `restart-advised` tells. Nothing is ended by it. */
export interface RestartAdvice {
  /** Name of the trigger. */
  trigger: string
  /** One sentence with the value and the threshold. */
  because: string
  /** The route, for conditions of routes. */
  route: string | null
  /** Id of the incident that is being written; `null` when none is. */
  incident: string | null
  /** Until the first leak that is reported reaches the heap limit at its rate, ms; `null` when none does. */
  timeToLimitMs: number | null
  /** Of the route: over its last full window, and over its life; `null` for conditions of the process. */
  latencyMs: { p50: number, p95: number, p50OfAll: number, p95OfAll: number } | null
}
