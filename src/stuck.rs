//! Freezing where the event loop does not turn: JavaScript is interrupted, or the heap is at its limit.
//!
//! **Invariant:** a probe is entered here when it starts and taken out when it stops, both on its own thread; so an
//! interrupt that comes late finds nothing.

use crate::ffi::{self, ShadowMain};
use crate::probe::Running;
use leakprobe_recorder::{HeapLimit, faults};
use leakprobe_shadow::{HeapLimitObserver, Interrupter};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The limit is raised so often at most: once for the evidence, once more should that need it.
const RAISES: u32 = 2;
/// By so much at least, bytes.
const LEAST_RAISE: usize = 16 << 20;
/// By this part of the initial limit otherwise.
const RAISE_PART: usize = 8;
/// At the heap's limit the app waits at most so long for the incident to be begun; that takes milliseconds, but on a busy
/// machine the recorder's thread may have to queue for a CPU.
const WAIT_FOR_INCIDENT: Duration = Duration::from_secs(2);

/// What JavaScript gave for shadows made from here.
pub(crate) struct Stuck {
    pub(crate) running: Weak<RefCell<Option<Running>>>,
    pub(crate) main: Rc<ShadowMain>,
    /// The limit has been reached, and nothing has been frozen for it yet.
    limit_reached: Rc<Cell<bool>>,
}

thread_local! {
    static PROBES: RefCell<HashMap<usize, Stuck>> = RefCell::default();
}

static TOKENS: AtomicUsize = AtomicUsize::new(1);

/// A token that no other probe of this process has.
pub(crate) fn token() -> usize {
    TOKENS.fetch_add(1, Ordering::Relaxed)
}

/// Enters a probe; the flag is the one of its [`NearLimit`].
pub(crate) fn enter(
    token: usize,
    running: Weak<RefCell<Option<Running>>>,
    main: Rc<ShadowMain>,
    limit_reached: Rc<Cell<bool>>,
) {
    PROBES.with_borrow_mut(|probes| probes.insert(token, Stuck { running, main, limit_reached }));
}

/// Takes it out again.
pub(crate) fn leave(token: usize) {
    // The map may be gone when a thread ends.
    let _ = PROBES.try_with(|probes| probes.borrow_mut().remove(&token));
}

/// Runs in the midst of JavaScript: freezes for the incident that waits for it, if one does.
pub(crate) fn freeze_if_awaited(token: usize) {
    faults::point("interrupt");
    let found = PROBES.try_with(|probes| {
        let probes = probes.try_borrow().ok()?;
        let stuck = probes.get(&token)?;
        Some((stuck.running.upgrade()?, Rc::clone(&stuck.main), stuck.limit_reached.replace(false)))
    });
    let Ok(Some((running, main, at_limit))) = found else { return };
    let Ok(running) = running.try_borrow() else { return };
    let Some(running) = running.as_ref() else { return };
    // A stall may have its incident waiting at the same time: it can be frozen later, and what fills the heap cannot.
    let Some(id) = running.recorder.awaited_freeze(at_limit.then_some(WAIT_FOR_INCIDENT)) else { return };
    // What fails is written into the incident by `frozen`; an incident that is gone needs nothing.
    if let Ok(job) = running.recorder.begin_freeze(&id) {
        ffi::freeze(running, &id, job, &main);
    }
}

/// Raises the heap's limit a little, so that evidence can be taken.
pub(crate) struct NearLimit {
    pub(crate) reached: Rc<Cell<bool>>,
    pub(crate) interrupter: Arc<Interrupter>,
    pub(crate) tell: Box<dyn Fn(HeapLimit)>,
    raises: Cell<u32>,
}

impl NearLimit {
    pub(crate) fn new(interrupter: Arc<Interrupter>, tell: Box<dyn Fn(HeapLimit)>) -> Self {
        Self { reached: Rc::default(), interrupter, tell, raises: Cell::new(0) }
    }
}

impl HeapLimitObserver for NearLimit {
    fn reached(&self, limit: usize, initial: usize) -> usize {
        faults::point("heap-limit");
        if ffi::in_shadow() {
            return limit.saturating_mul(2);
        }
        if self.raises.get() >= RAISES {
            return limit;
        }
        self.raises.set(self.raises.get() + 1);
        let raised_to = limit.saturating_add((initial / RAISE_PART).max(LEAST_RAISE));
        if self.raises.get() == 1 {
            self.reached.set(true);
            (self.tell)(HeapLimit { limit, raised_to });
            self.interrupter.request(freeze_if_awaited);
        }
        raised_to
    }
}
