-- Times: `*_ms` are ms since the epoch, UTC; `at` of windows is in seconds since the epoch, the beginning of the window.

CREATE TABLE deployments (
  id INTEGER PRIMARY KEY,
  version TEXT NOT NULL DEFAULT '',
  revision TEXT NOT NULL DEFAULT '',
  first_ms INTEGER NOT NULL,
  last_ms INTEGER NOT NULL,
  UNIQUE (version, revision)
);

-- A life is one run of a process. `minutes_until` and `hours_until`: before that its windows are rolled up.
CREATE TABLE lives (
  id INTEGER PRIMARY KEY,
  pid INTEGER NOT NULL,
  node TEXT NOT NULL,
  deployment INTEGER NOT NULL,
  started_ms INTEGER NOT NULL,
  seen_ms INTEGER NOT NULL,
  ended INTEGER NOT NULL DEFAULT 0,
  minutes_until INTEGER NOT NULL,
  hours_until INTEGER NOT NULL
);

CREATE TABLE routes (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

-- `durations` is the distribution: pairs of a step (one byte) and a count (seven bits a byte, low ones first). A step is
-- an eighth of a doubling: 8 * e + s is about 2^e * (8 + s + 0.5) / 8 µs.
CREATE TABLE route_second (
  life INTEGER NOT NULL, at INTEGER NOT NULL, route INTEGER NOT NULL,
  requests INTEGER NOT NULL, failed INTEGER NOT NULL, thread_us INTEGER NOT NULL, sum_us INTEGER NOT NULL,
  p50_us INTEGER, p95_us INTEGER, durations BLOB NOT NULL,
  PRIMARY KEY (life, at, route)
) WITHOUT ROWID;

CREATE TABLE route_minute (
  route INTEGER NOT NULL, at INTEGER NOT NULL, life INTEGER NOT NULL,
  requests INTEGER NOT NULL, failed INTEGER NOT NULL, thread_us INTEGER NOT NULL, sum_us INTEGER NOT NULL,
  p50_us INTEGER, p95_us INTEGER, durations BLOB NOT NULL,
  PRIMARY KEY (route, at, life)
) WITHOUT ROWID;

CREATE TABLE route_hour (
  route INTEGER NOT NULL, at INTEGER NOT NULL, life INTEGER NOT NULL,
  requests INTEGER NOT NULL, failed INTEGER NOT NULL, thread_us INTEGER NOT NULL, sum_us INTEGER NOT NULL,
  p50_us INTEGER, p95_us INTEGER, durations BLOB NOT NULL,
  PRIMARY KEY (route, at, life)
) WITHOUT ROWID;

-- Counters are sums; `gc_longest_us` and `stall_ms` maxima, `floor` the minimum, all other numbers means.
CREATE TABLE process_second (
  life INTEGER NOT NULL, at INTEGER NOT NULL,
  requests INTEGER NOT NULL, failed INTEGER NOT NULL, collections INTEGER NOT NULL,
  gc_pause_us INTEGER NOT NULL, gc_longest_us INTEGER NOT NULL,
  cpu_ms INTEGER, stall_ms INTEGER, heap_used INTEGER, floor INTEGER, external INTEGER, rss INTEGER,
  listeners INTEGER, timers INTEGER, handles INTEGER, descriptors INTEGER,
  PRIMARY KEY (life, at)
) WITHOUT ROWID;

CREATE TABLE process_minute (
  life INTEGER NOT NULL, at INTEGER NOT NULL,
  requests INTEGER NOT NULL, failed INTEGER NOT NULL, collections INTEGER NOT NULL,
  gc_pause_us INTEGER NOT NULL, gc_longest_us INTEGER NOT NULL,
  cpu_ms INTEGER, stall_ms INTEGER, heap_used INTEGER, floor INTEGER, external INTEGER, rss INTEGER,
  listeners INTEGER, timers INTEGER, handles INTEGER, descriptors INTEGER,
  PRIMARY KEY (life, at)
) WITHOUT ROWID;

CREATE TABLE process_hour (
  life INTEGER NOT NULL, at INTEGER NOT NULL,
  requests INTEGER NOT NULL, failed INTEGER NOT NULL, collections INTEGER NOT NULL,
  gc_pause_us INTEGER NOT NULL, gc_longest_us INTEGER NOT NULL,
  cpu_ms INTEGER, stall_ms INTEGER, heap_used INTEGER, floor INTEGER, external INTEGER, rss INTEGER,
  listeners INTEGER, timers INTEGER, handles INTEGER, descriptors INTEGER,
  PRIMARY KEY (life, at)
) WITHOUT ROWID;

-- What a life knows of each route by age, for trends over lives; the form of `data` is leakprobe's own.
CREATE TABLE life_routes (life INTEGER NOT NULL, route INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (life, route)) WITHOUT ROWID;
CREATE TABLE life_process (life INTEGER PRIMARY KEY, data BLOB NOT NULL);

-- A route's latencies at low age, as `durations`.
CREATE TABLE baselines (route INTEGER PRIMARY KEY, life INTEGER NOT NULL, at_ms INTEGER NOT NULL, durations BLOB NOT NULL);

CREATE TABLE findings (
  id INTEGER PRIMARY KEY,
  life INTEGER NOT NULL,
  kind TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  route TEXT NOT NULL,
  first_ms INTEGER NOT NULL,
  last_ms INTEGER NOT NULL,
  json TEXT NOT NULL,
  UNIQUE (kind, fingerprint, life)
);

CREATE TABLE incidents (
  id TEXT PRIMARY KEY,
  life INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  reason TEXT NOT NULL,
  route TEXT,
  because TEXT,
  directory TEXT,
  heap_snapshot TEXT NOT NULL
);
CREATE INDEX incidents_at ON incidents (at_ms);

-- The leaks that were reported when an incident was written.
CREATE TABLE incident_leaks (
  fingerprint TEXT NOT NULL, incident TEXT NOT NULL,
  PRIMARY KEY (fingerprint, incident)
) WITHOUT ROWID;

-- Trips of triggers: `captured`, or `throttled` when another process of the service had captured the same just before.
CREATE TABLE trips (
  id INTEGER PRIMARY KEY,
  at_ms INTEGER NOT NULL,
  life INTEGER NOT NULL,
  name TEXT NOT NULL,
  outcome TEXT NOT NULL,
  route TEXT,
  because TEXT NOT NULL,
  incident TEXT
);
CREATE INDEX trips_at ON trips (at_ms);

-- Budgets. `freeze`: amount is the pause in ms, `open` while it has not happened yet. `capture`: a heap snapshot.
CREATE TABLE spent (
  id INTEGER PRIMARY KEY,
  at_ms INTEGER NOT NULL,
  life INTEGER NOT NULL,
  what TEXT NOT NULL,
  amount REAL NOT NULL DEFAULT 0,
  open INTEGER NOT NULL DEFAULT 0,
  incident TEXT
);
CREATE INDEX spent_at ON spent (what, at_ms);

-- When something was last done by any process: `pruned`.
CREATE TABLE done (what TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) WITHOUT ROWID;
