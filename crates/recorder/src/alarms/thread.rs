//! The thread that sends: one message after the other, those that failed again when their time has come.

use super::client::Client;
use super::delivery::{ATTEMPTS, Attempt, wait};
use super::state::State;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use parking_lot::Mutex;
use std::hash::{BuildHasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Messages that may wait to be sent again; of more, the oldest is given up.
const MOST_AGAIN: usize = 64;
/// It looks this often whether there is something to do, when nothing is due.
const IDLE: Duration = Duration::from_secs(3_600);

/// A message to be sent.
#[derive(Clone, Debug)]
pub(super) struct Order {
    /// Index of its alarm.
    pub(super) alarm: usize,
    pub(super) body: String,
    pub(super) id: String,
}

struct Waiting {
    order: Order,
    attempts: u32,
    due: Instant,
}

pub(super) struct Worker {
    orders: Receiver<Order>,
    clients: Vec<Client>,
    states: Arc<Mutex<Vec<State>>>,
    first_wait: Duration,
    /// Oldest first.
    again: Vec<Waiting>,
}

impl Worker {
    pub(super) fn new(
        orders: Receiver<Order>,
        clients: Vec<Client>,
        states: Arc<Mutex<Vec<State>>>,
        first_wait: Duration,
    ) -> Self {
        Self { orders, clients, states, first_wait, again: Vec::new() }
    }

    /// Runs until the other end of the channel is gone; what is not delivered then is given up.
    pub(super) fn run(mut self) {
        loop {
            let now = Instant::now();
            let next = self.again.iter().map(|waiting| waiting.due).min();
            let patience = next.map_or(IDLE, |due| due.saturating_duration_since(now));
            match self.orders.recv_timeout(patience) {
                Ok(order) => self.send(Waiting { order, attempts: 0, due: now }),
                Err(RecvTimeoutError::Timeout) => self.send_due(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let mut states = self.states.lock();
        for waiting in &self.again {
            if let Some(state) = states.get_mut(waiting.order.alarm) {
                state.gave_up();
            }
        }
    }

    fn send_due(&mut self) {
        let now = Instant::now();
        if let Some(index) = self.again.iter().position(|waiting| waiting.due <= now) {
            let waiting = self.again.remove(index);
            self.send(waiting);
        }
    }

    fn send(&mut self, mut waiting: Waiting) {
        let Some(client) = self.clients.get(waiting.order.alarm) else { return };
        waiting.attempts += 1;
        // What a client does with a hostile answer must not end the thread.
        let attempt =
            catch_unwind(AssertUnwindSafe(|| client.attempt(&waiting.order.body, &waiting.order.id)))
                .unwrap_or_else(|_| Attempt::Refused { because: "sending it panicked".to_owned() });
        let last = waiting.attempts >= ATTEMPTS;
        let mut states = self.states.lock();
        let Some(state) = states.get_mut(waiting.order.alarm) else { return };
        match attempt {
            Attempt::Delivered => {
                state.delivered(humantime::format_rfc3339_millis(SystemTime::now()).to_string());
            }
            Attempt::Refused { because } => state.failed(because, true),
            Attempt::Again { because, .. } if last => {
                state.failed(format!("{because}, {ATTEMPTS} times"), true);
            }
            Attempt::Again { because, after } => {
                state.failed(because, false);
                waiting.due = Instant::now() + wait(waiting.attempts, self.first_wait, after, chance());
                if self.again.len() == MOST_AGAIN {
                    let oldest = self.again.remove(0);
                    if let Some(state) = states.get_mut(oldest.order.alarm) {
                        state.gave_up();
                    }
                }
                self.again.push(waiting);
            }
        }
    }
}

/// A number from 0 to 1, another one each time.
fn chance() -> f64 {
    let random = RandomState::new().hash_one(0);
    f64::from(u32::try_from(random >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_is_spread() {
        let numbers: Vec<f64> = (0..1_000).map(|_| chance()).collect();
        assert!(numbers.iter().all(|number| (0.0..=1.0).contains(number)));
        let low = numbers.iter().filter(|number| **number < 0.5).count();
        assert!((300..700).contains(&low), "{low}");
    }
}
