//! Who is told what happens: the boundary, which tells JavaScript.

use crate::incident::Way;

/// Told what happens, on a thread of the recorder; must not wait.
pub trait Observer: Send {
    /// A leak is reported for the first time; its JSON.
    fn finding(&self, json: &str);
    /// An incident is complete; its JSON.
    fn incident(&self, json: &str);
    /// Something failed; JSON with `code` and `message`.
    fn error(&self, json: &str);
    /// The app thread is asked for a heap snapshot for this incident: to call [`crate::Recorder::begin_freeze`], or to let V8
    /// write into what [`crate::Recorder::begin_heap_snapshot`] gives.
    fn take_heap_snapshot(&self, incident_id: &str, way: Way);
    /// The app thread is asked for a CPU profile for this incident: see [`crate::Recorder::begin_cpu_profile`].
    fn take_cpu_profile(&self, incident_id: &str);
    /// Something grows, so that a closer look is worth its cost; or nothing does any more.
    fn investigate(&self, on: bool);
    /// A trigger advises a restart; JSON with `trigger`, `because`, `route` and `incident`, the id of the incident that is being
    /// written, if one is.
    fn advise_restart(&self, json: &str);
    /// The loop does not turn: JavaScript should be interrupted, for a freeze from there ([`crate::Recorder::awaited_freeze`]).
    fn interrupt(&self);
}
