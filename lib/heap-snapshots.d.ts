/**
 * Says what a heap snapshot's file (plain, gzip or zstd) holds and where objects gather: the same as `npx leakprobe analyze --json`.
 * Runs on a thread of libuv's pool, at some 200 MB a second, and takes 0.8 times the uncompressed file in memory: not for
 * a process that is short of it.
 *
 * @throws `LEAKPROBE_ERR_HEAP_SNAPSHOT` where the file is damaged or unreadable; the signal's reason when it was aborted
 */
export function analyzeHeapSnapshot (file: string, options?: HeapSnapshotOptions): Promise<HeapSnapshotAnalysis>

/**
 * Says what grew from the first of two or more heap snapshots of one program to the last, oldest first. Objects are told by
 * their retaining path and class. Cost as {@link analyzeHeapSnapshot}, one file after the other.
 */
export function diffHeapSnapshots (files: string[], options?: HeapSnapshotOptions): Promise<HeapSnapshotDiff>

/** Options of {@link analyzeHeapSnapshot} and {@link diffHeapSnapshots}. */
export interface HeapSnapshotOptions {
  /** Most entries of each list, 1 to 10 000. Default 50. */
  rows?: number
  /** Ends the reading. */
  signal?: AbortSignal
}

/** Totals of a heap snapshot. */
export interface HeapSnapshotTotals {
  nodes: number
  edges: number
  strings: number
  /** Bytes of all objects. */
  bytes: number
  /** Damage that was worked around. */
  warnings: string[]
}

/** Objects that gather in one place. */
export interface Gathering {
  /** Class of the objects, function's name of closures. */
  class: string
  /** Kind of leak that it is, or would be. */
  kind: 'collection' | 'listener' | 'timer' | 'closure' | 'native' | 'unknown'
  /** What the kind was told by. */
  because: string
  /** Objects there are. */
  count: number
  /** Bytes that hang on them. */
  bytes: number
  /** Objects more than in the first file; of a comparison only, as the next two. */
  more?: number
  /** Bytes more. */
  moreBytes?: number
  /** From how many files to the next the number went up. */
  stepsUp?: number
  /** The npm package whose code it belongs to. */
  package?: string
  file?: string
  line?: number
  function?: string
  /** How one of them is kept, from the root on, folded. */
  retainingPath: string[]
}

/** Requests of one route that ended and are kept alike. */
export interface WatchedRequests {
  count: number
  /** Their route, as their tag says it; absent in a redacted heap snapshot. */
  route?: string
  kind: Gathering['kind']
  /** The npm package whose code keeps them. */
  package?: string
  file?: string
  line?: number
  function?: string
  /** V8's id of one of them, which DevTools shows as `@id`. */
  id: number
  retainingPath: string[]
}

/** `leakprobe.heap-analysis/1`. */
export interface HeapSnapshotAnalysis {
  schema: 'leakprobe.heap-analysis/1'
  totals: HeapSnapshotTotals
  /** What to look at first, each in one sentence. */
  shapes: Array<{ shape: string, because: string, count: number, bytes?: number }>
  gathering: Gathering[]
  /** Whose code the bytes hang on. */
  owners: Array<{ package?: string, file: string, count: number, bytes: number }>
  classes: Array<{ name: string, count: number, selfBytes: number, retainedBytes: number }>
  /** Requests that leakprobe watched, that ended and are still kept, by route and retaining path. */
  watched: WatchedRequests[]
  census: {
    listeners: Array<{ emitter: string, event: string, count: number, function: string, place?: string, id: number }>
    timers: Array<{ function: string, place?: string, count: number }>
    timerCount: number
    closures: Array<{ function: string, place?: string, count: number }>
    /** `awaited`: pending, and something waits for them. */
    promises: { count: number, awaited: number }
    /** The beginning of each string that is there several times. */
    strings: Array<{ text: string, count: number, wasted: number }>
    realms: number
    /** Objects that V8 says are detached: in Chrome nodes of a document that are in no page any more, in Node handles whose end is near. */
    detached: number
    arrayBufferBytes: number
  }
}

/** `leakprobe.diff/1`. */
export interface HeapSnapshotDiff {
  schema: 'leakprobe.diff/1'
  snapshots: HeapSnapshotTotals[]
  growth: Gathering[]
  classes: Array<{ name: string, count: number, more: number, moreBytes: number }>
}
