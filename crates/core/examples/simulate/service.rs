//! A made-up service: its traffic, and what its memory does, with noise like that of recorded floors.

use leakprobe_core::attribution::Kind;
use leakprobe_core::estimate::Random;
use leakprobe_core::event::{Mark, Outcome};
use leakprobe_core::observation::Floor;
use leakprobe_core::{Config, Event, Monitor, Nanos, RequestRecord, RouteId, Surroundings};

/// How fast things go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Between two floors, s.
    pub(crate) floor_s: f64,
    /// The mix of traffic changes about so often, s.
    pub(crate) phase_s: f64,
    /// Windows, ms: below or at 1 000 the attribution runs every 2 s.
    pub(crate) window_ms: u64,
    /// Left out at the start, ms.
    pub(crate) warm_up_ms: u64,
    /// What is kept for a while is kept at most so long, s.
    pub(crate) longest_s: f64,
}

/// Floors twice a second, as with preset `test`.
pub(crate) const TEST: Pace =
    Pace { floor_s: 0.75, phase_s: 4.0, window_ms: 1_000, warm_up_ms: 2_000, longest_s: 6.0 };
/// Floors every few minutes, as with preset `production`.
pub(crate) const PRODUCTION: Pace =
    Pace { floor_s: 90.0, phase_s: 300.0, window_ms: 10_000, warm_up_ms: 60_000, longest_s: 900.0 };

/// A cache that fills and stops.
#[derive(Clone, Copy, Debug)]
struct Cache {
    /// The route that fills it; `None`: every route does.
    route: Option<usize>,
    bytes: f64,
    entries: f64,
    held: f64,
    /// Keys come at random from as many as there are entries, so that filling slows down.
    random: bool,
}

/// Something that is kept for a while.
#[derive(Clone, Debug)]
struct Expiring {
    route: usize,
    bytes: f64,
    ttl_s: f64,
    held: Vec<(f64, f64)>,
}

/// A leak.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leak {
    /// Route, from 0.
    pub(crate) route: usize,
    /// Bytes per request.
    pub(crate) bytes: f64,
    /// It begins so long after the start, s.
    pub(crate) from_s: f64,
}

/// The service.
pub(crate) struct Service {
    pub(crate) monitor: Monitor,
    pub(crate) leaks: Vec<Leak>,
    pub(crate) random: Random,
    pub(crate) now_s: f64,
    pub(crate) floors: u32,
    pub(crate) routes: usize,
    pub(crate) pace: Pace,
    rates: Vec<f64>,
    mix: Vec<f64>,
    next_phase_s: f64,
    doubles_at_s: f64,
    heap: f64,
    warm: (f64, f64),
    caches: Vec<Cache>,
    expiring: Vec<Expiring>,
    level_noise: f64,
    permanent_noise: f64,
    in_flight: Vec<(f64, f64)>,
}

fn name(route: usize) -> String {
    format!("GET /{route}")
}

impl Service {
    /// A healthy service with so many requests per second in all, `None`: any.
    pub(crate) fn new(seed: u64, pace: Pace, per_second: Option<f64>) -> Self {
        let mut random = Random::new(seed);
        let config = Config {
            max_routes: 500,
            window_ms: pace.window_ms,
            tick_ms: 250,
            warm_up_ms: pace.warm_up_ms,
            forced_floors: false,
            series: false,
            triggers: Vec::new(),
        };
        let mut monitor = Monitor::new(config, Nanos(0), 0);
        let routes = pick(&mut random, 3, 10);
        for route in 0..routes {
            monitor.intern(&name(route));
        }
        let total = per_second.unwrap_or_else(|| 40.0 * 7.5_f64.powf(random.unit()));
        let shares: Vec<f64> = (0..routes).map(|_| random.between(0.5, 2.0)).collect();
        let sum: f64 = shares.iter().sum();
        let rates: Vec<f64> = shares.iter().map(|share| total * share / sum).collect();
        let slow = pace.floor_s / 0.75;
        let caches = (0..pick(&mut random, 0, 3))
            .map(|_| {
                let route = (random.unit() < 0.8).then(|| pick(&mut random, 0, routes - 1));
                let rate = route.map_or(total, |route| rates.get(route).copied().unwrap_or(0.0));
                // 100 to 5 000 entries; in a test, full within its time.
                let most = if pace.window_ms <= 1_000 { 25.0 * rate } else { f64::INFINITY };
                let entries = (100.0 * 50.0_f64.powf(random.unit())).min(most);
                let bytes = 100.0 * 60.0_f64.powf(random.unit());
                Cache { route, bytes, entries, held: 0.0, random: random.unit() < 0.5 }
            })
            .collect();
        let expiring = (0..pick(&mut random, 0, 2))
            .map(|_| Expiring {
                route: pick(&mut random, 0, routes - 1),
                bytes: 200.0 * 30.0_f64.powf(random.unit()),
                ttl_s: pace.longest_s.powf(random.unit()),
                held: Vec::new(),
            })
            .collect();
        Self {
            warm: (random.between(2e5, 3e6), random.between(2.0, 8.0)),
            level_noise: random.between(2e3, 4e4),
            permanent_noise: random.between(1e3, 2e4),
            doubles_at_s: if random.unit() < 0.3 { random.between(10.0, 30.0) * slow } else { f64::INFINITY },
            in_flight: (0..routes)
                .map(|_| (random.between(0.0, 4.0), 2e3 * 30.0_f64.powf(random.unit())))
                .collect(),
            mix: vec![1.0; routes],
            heap: 2e7,
            next_phase_s: 0.0,
            now_s: 0.0,
            floors: 0,
            leaks: Vec::new(),
            monitor,
            routes,
            pace,
            rates,
            caches,
            expiring,
            random,
        }
    }

    /// A route's requests per second, on average.
    pub(crate) fn rate(&self, route: usize) -> f64 {
        self.rates.get(route).copied().unwrap_or(0.0)
    }

    /// Goes on until the next floor, and judges.
    pub(crate) fn step(&mut self) {
        let span = self.pace.floor_s * self.random.between(0.8, 1.3);
        self.now_s += span;
        if self.now_s >= self.next_phase_s {
            self.next_phase_s = self.now_s + self.pace.phase_s * self.random.between(0.6, 1.4);
            for mix in &mut self.mix {
                *mix = 3.3_f64.powf(2.0 * self.random.unit() - 1.0);
            }
        }
        let load = if self.now_s > self.doubles_at_s { 2.0 } else { 1.0 };
        let requests: Vec<f64> = (0..self.routes)
            .map(|route| {
                let mean = self.rate(route) * self.mix.get(route).copied().unwrap_or(1.0) * load * span;
                (mean + mean.sqrt() * self.random.normal()).round().max(0.0)
            })
            .collect();
        self.grow(&requests, span);
        self.finish(&requests);
        self.read();
    }

    fn grow(&mut self, requests: &[f64], span: f64) {
        let of = |route: usize| requests.get(route).copied().unwrap_or(0.0);
        let all: f64 = requests.iter().sum();
        for leak in self.leaks.iter().filter(|leak| self.now_s >= leak.from_s) {
            let count = of(leak.route);
            self.heap += leak.bytes * (count + 0.3 * count.sqrt() * self.random.normal());
        }
        for cache in &mut self.caches {
            let count = cache.route.map_or(all, of);
            let room = cache.entries - cache.held;
            let new = if cache.random {
                room * (1.0 - (-count / cache.entries.max(1.0)).exp())
            } else {
                count.min(room)
            };
            cache.held += new;
            self.heap += cache.bytes * new;
        }
        for kept in &mut self.expiring {
            let bytes = kept.bytes * of(kept.route);
            kept.held.push((self.now_s + kept.ttl_s, bytes));
            self.heap += bytes;
            let gone: f64 = kept.held.iter().filter(|held| held.0 <= self.now_s).map(|held| held.1).sum();
            kept.held.retain(|held| held.0 > self.now_s);
            self.heap -= gone;
        }
        self.heap += self.warm.0 * span / self.warm.1 * (-self.now_s / self.warm.1).exp();
        // Compiled code and tables: mostly little, now and then a step that stays.
        self.heap += self.permanent_noise * self.random.heavy(4) * 0.7;
        if self.random.unit() < 0.01 {
            self.heap += 2.3e5 * if self.random.unit() < 0.7 { 1.0 } else { -1.0 };
        }
    }

    fn finish(&mut self, requests: &[f64]) {
        let ended = Nanos(nanos(self.now_s));
        for (route, count) in (1..).zip(requests) {
            let record = RequestRecord {
                route: RouteId(route),
                outcome: Outcome::Finished,
                status: 200,
                ended,
                duration_ns: 1_000_000,
                thread_ns: 0,
                overlap: 1.0,
                heap_delta: 0,
                allocated: 0,
                external_delta: 0,
            };
            let records = vec![record; usize::try_from(nanos(*count / 1e9)).unwrap_or(0)];
            self.monitor.observe(&Event::Requests(records.into()));
        }
    }

    fn read(&mut self) {
        let mut held = self.level_noise * self.random.heavy(5) * 0.8;
        let mut in_flight = 0;
        for (route, (mean, bytes)) in self.in_flight.iter().enumerate() {
            let kept: f64 = self.leaks.iter().filter(|leak| leak.route == route).map(|leak| leak.bytes).sum();
            let count = (mean + mean.sqrt() * self.random.normal()).round().max(0.0);
            held += count * (bytes + kept);
            in_flight += u32::try_from(nanos(count / 1e9)).unwrap_or(0);
        }
        if self.random.unit() < 0.02 {
            held += 1e6 * self.random.unit();
        }
        self.floors += 1;
        let at = Nanos(nanos(self.now_s));
        self.monitor.observe(&Event::Mark(Mark { id: self.floors, at, in_flight }));
        let heap_used = nanos((self.heap + held).max(0.0) / 1e9);
        self.monitor.floor(&Floor { mark: self.floors, heap_used, ..Floor::default() });
        self.monitor.tick(&Surroundings { now: at, ..Surroundings::default() });
    }

    /// The routes that are reported, each finding's names together.
    pub(crate) fn reported(&self) -> Vec<Vec<usize>> {
        let route = |text: &String| text.trim_start_matches("GET /").parse().unwrap_or(usize::MAX);
        self.monitor.leaks().iter().map(|leak| leak.routes.iter().map(route).collect()).collect()
    }

    /// What explains an alarm, for reading.
    pub(crate) fn describe(&self) -> String {
        let unknown = Kind::Unknown.name();
        format!(
            "{} routes, {:.0} requests/s, noise {:.0} and {:.0}, warm-up {:.0} over {:.0} s, {:?}, ttl {:?}, {} ({unknown})",
            self.routes,
            self.rates.iter().sum::<f64>(),
            self.level_noise,
            self.permanent_noise,
            self.warm.0,
            self.warm.1,
            self.caches,
            self.expiring.iter().map(|kept| (kept.route, kept.bytes, kept.ttl_s)).collect::<Vec<_>>(),
            self.now_s,
        )
    }
}

/// A whole number from `low` to `high`.
pub(crate) fn pick(random: &mut Random, low: usize, high: usize) -> usize {
    low + random.below(high - low + 1)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive and far below 2^63")]
fn nanos(seconds: f64) -> u64 {
    (seconds * 1e9).max(0.0) as u64
}
