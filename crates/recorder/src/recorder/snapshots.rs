//! The pipes of shadows and heap snapshots: who writes into them is the app thread or a shadow, and a thread reads them.

use super::Recorder;
use crate::answers::Answers;
use crate::error::Error;
use crate::incident::{self, Pending, Way};
use crate::threads::spawn;
use crate::worker::Command;
use crate::{faults, panics, snapshot};
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

impl Recorder {
    /// Makes the pipe for an incident's heap snapshot; returns the end that V8 writes to.
    pub fn begin_heap_snapshot(&self, incident_id: &str) -> Result<RawFd, Error> {
        let mut pending = self.shared.pending.lock();
        let (waiting, writer) = self.begin(&mut pending, incident_id, Way::InProcess)?;
        Ok(waiting.writer.insert(writer).as_raw_fd())
    }

    /// Makes a pipe, and the thread that reads what is written to the end returned.
    pub(super) fn begin<'a>(
        &self,
        pending: &'a mut HashMap<String, Pending>,
        incident_id: &str,
        way: Way,
    ) -> Result<(&'a mut Pending, OwnedFd), Error> {
        let waiting = pending
            .get_mut(incident_id)
            .filter(|waiting| !waiting.begun && waiting.way == way)
            .ok_or_else(|| Error::UnknownIncident(incident_id.to_owned()))?;
        let (mut reader, writer) =
            io::pipe().map_err(|source| Error::Io { doing: "making the pipe of a heap snapshot", source })?;
        let path = waiting.questions.heap_snapshot.then(|| waiting.path.join(incident::SNAPSHOT));
        let (id, commands) = (incident_id.to_owned(), self.commands.clone());
        let redacted = self.shared.config.redact_heap_snapshots;
        let thread = spawn("leakprobe-snap", move || {
            let answers = if way == Way::Shadow { Answers::default() } else { Answers::none() };
            let drain = || {
                faults::point("snapshot");
                match path {
                    Some(path) => snapshot::drain(&mut reader, &path, answers, redacted),
                    None => snapshot::answers(&mut reader),
                }
            };
            // The incident waits for an end, and gets one.
            let written = match catch_unwind(AssertUnwindSafe(drain)) {
                Ok(written) => written.map(Box::new).map_err(|error| error.to_string()),
                Err(_) => Err(format!("the thread that reads it panicked: {}", panics::last())),
            };
            // The recorder has gone: then there is nobody to tell.
            let _ = commands.send(Command::SnapshotEnded { id, written });
        })?;
        let mut snapshots = self.snapshots.lock();
        snapshots.retain(|thread| !thread.is_finished());
        snapshots.push(thread);
        waiting.begun = true;
        Ok((waiting, writer.into()))
    }

    /// V8 has written everything, or `error` says why not. The incident is completed by the thread.
    pub fn end_heap_snapshot(&self, incident_id: &str, pause_ms: f64, error: Option<&str>) {
        self.add_pause(pause_ms);
        let writer = {
            let mut pending = self.shared.pending.lock();
            let Some(waiting) = pending.get_mut(incident_id) else { return };
            waiting.pause_ms = Some(pause_ms);
            waiting.fault = error.map(str::to_owned);
            waiting.writer.take()
        };
        drop(writer);
    }
}
