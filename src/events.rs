//! Events from the recorder's thread to JavaScript: a weak thread-safe function with a bounded queue, never waited for.

use leakprobe_recorder::{Observer, Way};
use leakprobe_shadow::Interrupter;
use napi::Status;
use napi::bindgen_prelude::{FnArgs, Function};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use std::sync::Arc;

/// Events that may wait for the event loop; more are dropped, and what they told stays in the report and on disk.
const QUEUE: usize = 256;

type Call = FnArgs<(String, String)>;
type Callback = ThreadsafeFunction<Call, (), Call, Status, false, true, QUEUE>;

/// Hands the recorder's events to one JavaScript function `(kind, json)`.
pub(crate) struct Events {
    callback: Callback,
    interrupter: Option<Arc<Interrupter>>,
}

impl Events {
    /// Weak: it keeps the event loop alive for nothing.
    pub(crate) fn new(
        function: &Function<'_, Call, ()>,
        interrupter: Option<Arc<Interrupter>>,
    ) -> napi::Result<Self> {
        function
            .build_threadsafe_function::<Call>()
            .callee_handled::<false>()
            .weak::<true>()
            .max_queue_size::<QUEUE>()
            .build_callback(|context| Ok(context.value))
            .map(|callback| Self { callback, interrupter })
    }

    fn tell(&self, kind: &str, json: &str) {
        let call = FnArgs::from((kind.to_owned(), json.to_owned()));
        self.callback.call(call, ThreadsafeFunctionCallMode::NonBlocking);
    }
}

impl Observer for Events {
    fn finding(&self, json: &str) {
        self.tell("finding", json);
    }

    fn incident(&self, json: &str) {
        self.tell("incident", json);
    }

    fn error(&self, json: &str) {
        self.tell("error", json);
    }

    fn take_heap_snapshot(&self, incident_id: &str, way: Way) {
        let freeze = way == Way::Shadow;
        self.tell("heap-snapshot", &serde_json::json!({ "id": incident_id, "freeze": freeze }).to_string());
    }

    fn take_cpu_profile(&self, incident_id: &str) {
        self.tell("cpu-profile", &serde_json::json!({ "id": incident_id }).to_string());
    }

    fn investigate(&self, on: bool) {
        self.tell("investigate", &serde_json::json!({ "on": on }).to_string());
    }

    fn advise_restart(&self, json: &str) {
        self.tell("restart-advised", json);
    }

    fn interrupt(&self) {
        if let Some(interrupter) = &self.interrupter {
            interrupter.request(crate::stuck::freeze_if_awaited);
        }
    }
}
