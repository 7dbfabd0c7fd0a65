//! What becomes of it when the disk takes nothing.

use super::{SECOND_NS, Worker};
use serde_json::json;
use std::io;

/// The same error is told at most this often.
const ERROR_EVERY_NS: u64 = 60 * SECOND_NS;

impl Worker {
    /// Something could not be written: it is told, at most once a minute.
    pub(super) fn disk_failed(&mut self, doing: &'static str, error: &io::Error) {
        self.shared.fault(doing);
        let because = format!("{doing} failed: {error}; it is tried again at the next occasion");
        self.shared.set_capability("directory", "off", &because);
        let now = (self.shared.now)();
        if self.told.get(doing).is_none_or(|told| now.since(*told) > ERROR_EVERY_NS) {
            self.told.insert(doing, now);
            let json = json!({ "code": "LEAKPROBE_ERR_IO", "message": format!("{doing}: {error}") });
            self.observer.lock().error(&json.to_string());
        }
    }

    /// Something was written.
    pub(super) fn disk_works(&self) {
        let mut capabilities = self.shared.capabilities.lock();
        if let Some(directory) =
            capabilities.get_mut("directory").filter(|directory| directory.state == "off")
        {
            "native".clone_into(&mut directory.state);
            "written to again after a failure".clone_into(&mut directory.because);
        }
    }
}
