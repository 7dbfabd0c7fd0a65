//! What the app thread does while its event loop does not turn.

use super::Worker;
use super::capture::LOOP_ANSWER_NS;
use crate::process_reading;
use leakprobe_shadow::blocked_in;
use serde_json::{Value, json};

impl Worker {
    /// What the app thread does while the loop does not turn.
    pub(super) fn stall(&self) -> Option<Value> {
        let thread = self.shared.config.main_thread_id?;
        let (turn, before) = self.cpu_at_turn?;
        let now = process_reading::scheduled(thread)?;
        let cpu_ms = now.cpu_ms.saturating_sub(before.cpu_ms);
        let queued_ms = now.queued_ms.saturating_sub(before.queued_ms);
        let for_ms = (self.shared.now)().since(turn) / 1_000_000;
        // Who queues for a CPU would compute: only what is left was spent waiting in the kernel.
        let running = (cpu_ms + queued_ms).saturating_mul(2) > for_ms;
        Some(json!({
            "forMs": for_ms,
            "appThreadCpuMs": cpu_ms,
            "appThreadQueuedMs": queued_ms,
            "waitsIn": blocked_in(thread).map(|blocked| blocked.to_string()),
            "appThread": if running { "running" } else { "waiting" },
        }))
    }

    /// What the app thread waits for, when its loop does not turn because of it.
    pub(super) fn blocked(&self) -> Option<String> {
        if self.shared.pending.lock().is_empty() {
            return None;
        }
        let turned = self.shared.sender.last_turn()?;
        if (self.shared.now)().since(turned) <= LOOP_ANSWER_NS {
            return None;
        }
        blocked_in(self.shared.config.main_thread_id?).map(|blocked| blocked.to_string())
    }
}
