//! Alarms: messages to people, sent by a thread of their own, so that no server that is slow or gone is ever waited for elsewhere.
//!
//! **Invariant:** URLs and keys are known to this module alone; what it tells of a failure never has them.

mod client;
mod delivery;
mod state;
mod thread;

use crate::threads::join;
use client::Client;
use crossbeam_channel::{Sender, bounded};
use leakprobe_core::Nanos;
use leakprobe_core::alarm::{Alarm, Message, Source};
use leakprobe_core::stats::AlarmStats;
use parking_lot::Mutex;
use state::State;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use thread::{Order, Worker};

/// Messages that may wait for the thread, besides those that wait to be sent again.
const QUEUE: usize = 64;
/// At `stop`, a message that is on its way gets this long. The thread ends by itself soon after: see [`client::LONGEST`].
const STOP_LIMIT: Duration = Duration::from_millis(500);

/// Whom a message is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum For<'a> {
    /// Alarms of these names; `None`: all.
    Named(Option<&'a [String]>),
    /// Those that want such findings.
    On(Source),
}

/// All alarms of a probe.
#[derive(Debug)]
pub(crate) struct Alarms {
    told: Vec<Alarm>,
    states: Arc<Mutex<Vec<State>>>,
    orders: Mutex<Option<Sender<Order>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Alarms {
    /// Starts the thread `leakprobe-alarm`, if there is any alarm. The error is for people: an alarm that can never be sent, or no thread.
    pub(crate) fn start(alarms: Vec<Alarm>, first_wait: Duration) -> Result<Self, String> {
        let states: Vec<State> = alarms.iter().map(|alarm| State::new(&alarm.name)).collect();
        let started = Self {
            states: Arc::new(Mutex::new(states)),
            orders: Mutex::new(None),
            thread: Mutex::new(None),
            told: alarms,
        };
        if started.told.is_empty() {
            return Ok(started);
        }
        let clients = started.told.iter().map(Client::new).collect::<Result<Vec<_>, _>>()?;
        let (sender, receiver) = bounded(QUEUE);
        let worker = Worker::new(receiver, clients, Arc::clone(&started.states), first_wait);
        let thread = std::thread::Builder::new()
            .name("leakprobe-alarm".to_owned())
            .spawn(move || worker.run())
            .map_err(|error| format!("the thread of alarms cannot be started: {error}"))?;
        *started.orders.lock() = Some(sender);
        *started.thread.lock() = Some(thread);
        Ok(started)
    }

    /// Hands the message to whom it is for, as far as their limits allow. Never waits.
    pub(crate) fn tell(&self, whom: For<'_>, message: &Message, now: Nanos) {
        let orders = self.orders.lock();
        let Some(orders) = orders.as_ref() else { return };
        let mut states = self.states.lock();
        for (index, (alarm, state)) in self.told.iter().zip(states.iter_mut()).enumerate() {
            let wanted = match whom {
                For::Named(names) => names.is_none_or(|names| names.contains(&alarm.name)),
                For::On(source) => alarm.on.contains(&source),
            };
            if !wanted || !state.allows(now, alarm.max_per_hour) {
                continue;
            }
            let message = Message { held_back: state.take_held_back(), ..message.clone() };
            let sent =
                orders.try_send(Order { alarm: index, body: client::body(alarm, &message), id: message.id });
            state.handed_over(sent.is_ok());
        }
    }

    /// What came of them so far.
    pub(crate) fn stats(&self) -> Vec<AlarmStats> {
        self.states.lock().iter().map(State::stats).collect()
    }

    /// Ends the thread; what is not delivered is given up.
    pub(crate) fn stop(&self) {
        *self.orders.lock() = None;
        if let Some(thread) = self.thread.lock().take() {
            join(thread, Instant::now() + STOP_LIMIT);
        }
    }
}
