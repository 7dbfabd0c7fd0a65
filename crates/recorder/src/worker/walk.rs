//! The worker's part of walks over the heap and of analyses: whether there are any, and what became of one.

use super::Worker;
use crate::answers::Answers;
use crate::answers::Generator;
use crate::config::HeapSnapshotBy;
use crate::incident::{Pending, SNAPSHOT};
use crate::joining;
use crate::preflight;
use leakprobe_shadow::Ending;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;

impl Worker {
    /// Memory that a shadow may take, bytes, for a heap snapshot if so; `None` when it is not known.
    pub(super) fn room(&self, heap_used: u64, heap_snapshot: bool) -> Option<u64> {
        let available = self.shared.last_reading().and_then(|reading| reading.available())?;
        let redacted = heap_snapshot && self.shared.config.redact_heap_snapshots;
        let own = if redacted { preflight::redaction(heap_used) } else { 0 };
        Some(preflight::room(available).saturating_sub(own))
    }

    /// Who may write a heap snapshot.
    pub(super) fn generator(&self, can_walk: bool) -> Generator {
        match self.shared.config.heap_snapshot_by {
            HeapSnapshotBy::Walk if can_walk => Generator::Walk,
            HeapSnapshotBy::Auto if can_walk => Generator::Either,
            _ => Generator::V8,
        }
    }

    /// Reads the executable's symbols for walks over the heap, here and not on the app thread: some 50 ms.
    pub(super) fn check_walking(&self, can_freeze: bool) {
        let shared = &self.shared;
        let refused = if !can_freeze {
            Some("only a shadow walks, and there is none".to_owned())
        } else if shared.config.without.iter().any(|part| part == "heap-walk") {
            Some("switched off by the option `without`".to_owned())
        } else {
            shared.walks.prepare().err()
        };
        match refused {
            None => shared.set_capability(
                "heapWalk",
                "native",
                "a shadow walks V8's heap; each walk tests itself",
            ),
            Some(why) => shared.set_capability("heapWalk", "off", &why),
        }
    }

    /// A shadow that was asked for a walk has ended.
    pub(super) fn walked(&self, pending: &mut Pending, answers: Option<&Answers>, ending: Option<Ending>) {
        let walks = &self.shared.walks;
        let failed = match answers {
            Some(Answers { walk: Some(Ok(census)), .. }) => {
                walks.answered(census);
                return;
            }
            Some(Answers { walk: Some(Err(why)), .. }) => why.clone(),
            Some(answers) if answers.walk_begun => match ending {
                Some(Ending::Signalled(signal)) => format!("a walk was ended by signal {signal}"),
                _ => "a walk gave no answer".to_owned(),
            },
            _ => return,
        };
        // What ended this shadow would end the next one.
        pending.questions.walk = false;
        self.shared.fault("a walk over the heap failed");
        if walks.failed() {
            let because = format!("it failed again and again, and is not tried any more: {failed}");
            self.shared.set_capability("heapWalk", "off", &because);
        }
        pending.walk_fault = Some(failed);
    }

    /// Has a whole heap snapshot of so many bytes analysed; the answer joins the incident when it is there.
    pub(super) fn analyse(&mut self, incident: &Path, bytes: u64) {
        let available = self.shared.last_reading().and_then(|reading| reading.available());
        let (shared, directory) = (Arc::clone(&self.shared), incident.to_path_buf());
        let done = move |analysis: Value| {
            // The file comes last: who sees it finds the report completed.
            joining::joined(&shared, &directory, &joining::kept(&analysis));
            if joining::put(&directory, "heapSnapshot", analysis).is_err() {
                shared.fault("an analysis was not written");
            }
        };
        let snapshot = incident.join(SNAPSHOT);
        self.analyses.begin(&self.shared.config.analyzer, &snapshot, bytes, available, done);
    }
}
