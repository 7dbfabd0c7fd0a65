//! What runs on the app thread for each request: read the numbers, keep the table, send the record.
//!
//! **Invariant:** nothing here allocates per request, waits, or takes a lock; the cells are borrowed for the length of
//! one call only, and a call that finds them borrowed (a collection inside a call) does nothing rather than panic.

use leakprobe_core::event::{
    Event, GcKind, GcRecord, Mark, Nanos, Outcome, RequestRecord, RouteId, Running, SiteCount, TickReading,
};
use leakprobe_core::in_flight::{self, InFlightTable, Reading};
use leakprobe_core::observation::{ForcedFloor, SiteInfo, Watched};
use leakprobe_recorder::{EventSender, faults};
use leakprobe_shadow::{EventLoop, GcObserver, HeapReader, HeapReading, monotonic};
use napi::bindgen_prelude::Float64Array;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Where the heap's numbers come from.
pub(crate) enum HeapSource {
    /// V8, by symbol.
    Native(HeapReader),
    /// JavaScript writes them into cells 1 to 5 before each call: used, external, total, limit, malloced.
    Cells(Float64Array),
}

/// What JavaScript counts at a tick; below 0 means: not counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    pub(crate) listeners: i32,
    pub(crate) timers: i32,
    pub(crate) array_buffers: f64,
    pub(crate) handles: i32,
    pub(crate) global_keys: i32,
    pub(crate) worker_bytes: f64,
    pub(crate) unread_workers: u32,
}

/// Records that are sent at once.
const BATCH: usize = 64;
/// A record is not kept back longer than this while others come; else it goes with the next tick.
const BATCH_NS: u64 = 20_000_000;

/// The app thread's side of a probe.
pub(crate) struct AppThread {
    heap: HeapSource,
    event_loop: Option<EventLoop>,
    table: RefCell<InFlightTable>,
    /// Records not yet sent: the same few lines of memory again and again, which no other thread touches.
    batch: RefCell<Vec<RequestRecord>>,
    sender: RefCell<Option<EventSender>>,
}

impl AppThread {
    pub(crate) fn new(heap: HeapSource, event_loop: Option<EventLoop>, sender: EventSender) -> Self {
        Self {
            heap,
            event_loop,
            table: RefCell::default(),
            batch: RefCell::new(Vec::with_capacity(BATCH)),
            sender: RefCell::new(Some(sender)),
        }
    }

    /// V8's statistics by symbol, where they can be read so.
    pub(crate) fn heap_reader(&self) -> Option<&HeapReader> {
        match &self.heap {
            HeapSource::Native(reader) => Some(reader),
            HeapSource::Cells(_) => None,
        }
    }

    /// From now on every call does nothing.
    pub(crate) fn stop(&self) {
        self.flush();
        if let Ok(mut sender) = self.sender.try_borrow_mut() {
            *sender = None;
        }
    }

    /// A request starts; -1 when it is not recorded.
    pub(crate) fn begin(&self) -> i32 {
        let (Ok(sender), Ok(mut table)) = (self.sender.try_borrow(), self.table.try_borrow_mut()) else {
            return -1;
        };
        let Some(sender) = sender.as_ref() else { return -1 };
        let reading = self.reading(|now| table.wants_heap_at_begin(now));
        sender.turn(reading.at);
        table.begin(reading).unwrap_or(-1)
    }

    /// A request ends.
    pub(crate) fn finish(&self, handle: i32, route: u32, status: u32, outcome: u32) {
        let (Ok(sender), Ok(mut table)) = (self.sender.try_borrow(), self.table.try_borrow_mut()) else {
            return;
        };
        let Some(sender) = sender.as_ref() else { return };
        let outcome = match outcome {
            1 => Outcome::Aborted,
            2 => Outcome::Upgraded,
            3 => Outcome::Failed,
            _ => Outcome::Finished,
        };
        let route = RouteId(u16::try_from(route).unwrap_or(0));
        let status = u16::try_from(status).unwrap_or(0);
        let reading = self.reading(|now| table.wants_heap_at_end(now));
        sender.turn(reading.at);
        if let Some(record) = table.finish(handle, route, status, outcome, reading) {
            self.keep(record, sender);
        }
    }

    /// Sends the records kept back: before anything that they must not come after.
    pub(crate) fn flush(&self) {
        if let (Ok(sender), Ok(mut batch)) = (self.sender.try_borrow(), self.batch.try_borrow_mut())
            && let Some(sender) = sender.as_ref()
        {
            send_batch(&mut batch, sender);
        }
    }

    fn keep(&self, record: RequestRecord, sender: &EventSender) {
        let Ok(mut batch) = self.batch.try_borrow_mut() else { return };
        batch.push(record);
        let waited = batch.first().map_or(0, |first| record.ended.since(first.ended));
        if batch.len() >= BATCH || waited >= BATCH_NS {
            send_batch(&mut batch, sender);
        }
    }

    /// The loop turned.
    pub(crate) fn tick(&self, counts: &Counts) {
        let (Ok(sender), Ok(mut table)) = (self.sender.try_borrow(), self.table.try_borrow_mut()) else {
            return;
        };
        let Some(sender) = sender.as_ref() else { return };
        let at = Nanos(monotonic());
        let heap = self.heap();
        let refused = table.take_refused();
        if refused > 0 {
            sender.refused(refused);
        }
        sender.turn(at);
        self.flush();
        sender.send(Event::Tick(Box::new(TickReading {
            at,
            heap_used: heap.used,
            heap_total: heap.total,
            heap_limit: heap.limit,
            live_limit: heap.limit,
            external: heap.external,
            malloced: heap.malloced,
            listeners: u32::try_from(counts.listeners).ok(),
            timers: u32::try_from(counts.timers).ok(),
            array_buffers: read(counts.array_buffers),
            handles: u32::try_from(counts.handles).ok(),
            global_keys: u32::try_from(counts.global_keys).ok(),
            worker_bytes: bytes(counts.worker_bytes),
            unread_workers: counts.unread_workers,
            in_flight: table.in_flight(),
            oldest_ns: table.oldest_ns(at),
            busy_ns: self.event_loop.map(|event_loop| at.0.saturating_sub(event_loop.idle_ns())),
        })));
    }

    /// Everything has been collected: what was read right after it; array buffers below 0 were not.
    pub(crate) fn forced_floor(&self, array_buffers: f64, watched: Vec<Watched>) {
        let at = Nanos(monotonic());
        self.send(Event::ForcedFloor(Box::new(ForcedFloor {
            at,
            array_buffers: read(array_buffers),
            watched,
        })));
    }

    /// A site; `false` when the channel is full.
    pub(crate) fn site(&self, id: u32, info: SiteInfo) -> bool {
        self.send(Event::Site(Box::new((id, info))))
    }

    /// How much of what the sites made is there.
    pub(crate) fn sites(&self, counts: Box<[SiteCount]>) {
        self.send(Event::Sites(counts));
    }

    /// A collection that `perf_hooks` told of, after the fact. Kinds as in `GcKind`'s order.
    pub(crate) fn gc_seen(&self, kind: i32, pause_ms: f64) {
        let kind = match kind {
            0 => GcKind::Minor,
            1 => GcKind::Major,
            2 => GcKind::Incremental,
            _ => GcKind::WeakCallbacks,
        };
        let heap = self.heap();
        self.send(Event::Gc(GcRecord {
            kind,
            ended: Nanos(monotonic()),
            pause_ns: nanoseconds(pause_ms),
            heap_before: None,
            heap_after: heap.used,
            external_after: heap.external,
        }));
    }

    /// Handles of the requests that are `ms` old or older, the oldest first.
    pub(crate) fn older_than(&self, ms: f64) -> Vec<i32> {
        let Ok(table) = self.table.try_borrow() else { return Vec::new() };
        table.older_than(Nanos(monotonic()), nanoseconds(ms))
    }

    /// These are still running, by handle and route.
    pub(crate) fn still_running(&self, pairs: impl Iterator<Item = (i32, RouteId)>) {
        let at = Nanos(monotonic());
        let Ok(table) = self.table.try_borrow() else { return };
        let requests = pairs.filter_map(|(handle, route)| Some((route, table.age_ns(handle, at)?))).collect();
        drop(table);
        self.send(Event::Running(Box::new(Running::new(at, requests))));
    }

    /// The thread is about to be frozen.
    pub(crate) fn mark(&self, id: u32) {
        let in_flight = self.table.try_borrow().map_or(0, |table| table.in_flight());
        self.send(Event::Mark(Mark { id, at: Nanos(monotonic()), in_flight }));
    }

    /// Memory held for requests in flight, bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.table.try_borrow().map_or(0, |table| table.bytes())
    }

    fn send(&self, event: Event) -> bool {
        self.flush();
        let Ok(sender) = self.sender.try_borrow() else { return false };
        sender.as_ref().is_some_and(|sender| sender.send(event))
    }

    fn heap(&self) -> HeapReading {
        match &self.heap {
            HeapSource::Native(reader) => reader.read(),
            HeapSource::Cells(cells) => {
                let cells: &[f64] = cells.as_ref();
                let cell = |index: usize| cells.get(index).copied().map_or(0, bytes);
                HeapReading {
                    used: cell(1),
                    external: cell(2),
                    total: cell(3),
                    limit: cell(4),
                    malloced: cell(5),
                }
            }
        }
    }

    fn reading(&self, wants_heap: impl FnOnce(Nanos) -> bool) -> Reading {
        let at = monotonic();
        let busy_ns = self.event_loop.map_or(at, |event_loop| at.saturating_sub(event_loop.idle_ns()));
        let heap = wants_heap(Nanos(at)).then(|| {
            let heap = self.heap();
            in_flight::HeapReading { used: heap.used, external: heap.external }
        });
        Reading { at: Nanos(at), busy_ns, heap }
    }
}

/// Collections as V8 announces them, sent on.
pub(crate) struct GcWatch {
    app_thread: Rc<AppThread>,
    began: Cell<u64>,
    used_before: Cell<u64>,
}

impl GcWatch {
    pub(crate) fn new(app_thread: Rc<AppThread>) -> Self {
        Self { app_thread, began: Cell::new(0), used_before: Cell::new(0) }
    }
}

impl GcObserver for GcWatch {
    fn before(&self, _kind: i32) {
        faults::point("gc");
        self.used_before.set(self.app_thread.heap().used);
        self.began.set(monotonic());
    }

    fn after(&self, kind: i32) {
        let ended = monotonic();
        let heap = self.app_thread.heap();
        let before = self.used_before.get();
        if let Ok(mut table) = self.app_thread.table.try_borrow_mut() {
            table.collected(before, heap.used);
        }
        let kind = match kind {
            1 | 2 => GcKind::Minor,
            4 => GcKind::Major,
            8 => GcKind::Incremental,
            _ => GcKind::WeakCallbacks,
        };
        self.app_thread.send(Event::Gc(GcRecord {
            kind,
            ended: Nanos(ended),
            pause_ns: ended.saturating_sub(self.began.get()),
            heap_before: Some(before),
            heap_after: heap.used,
            external_after: heap.external,
        }));
    }
}

fn send_batch(batch: &mut Vec<RequestRecord>, sender: &EventSender) {
    if !batch.is_empty() {
        sender.send(Event::Requests(batch.as_slice().into()));
        batch.clear();
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates; byte counts are whole numbers below 2^53"
)]
fn bytes(value: f64) -> u64 {
    value as u64
}

fn read(value: f64) -> Option<u64> {
    (value >= 0.0).then(|| bytes(value))
}

fn nanoseconds(ms: f64) -> u64 {
    bytes(ms * 1e6)
}
