//! CPU profiles, as the app thread begins and ends them.

use super::Recorder;
use crate::error::Error;
use crate::worker::Command;
use crate::worker::profile::EndedProfile;

impl Recorder {
    /// The app thread begins the CPU profile of this incident: for how long, ms. An error when it is too late.
    pub fn begin_cpu_profile(&self, incident_id: &str) -> Result<u64, Error> {
        let mut profile = self.shared.profile.lock();
        let begun = profile
            .as_mut()
            .filter(|pending| pending.id == incident_id)
            .and_then(|pending| pending.begin((self.shared.now)()));
        begun.ok_or_else(|| Error::UnknownIncident(incident_id.to_owned()))
    }

    /// The profile as V8's JSON, or why there is none; `pause_ms` is what it cost the app thread.
    pub fn end_cpu_profile(&self, incident_id: &str, profile: Result<String, String>, pause_ms: f64) {
        self.add_pause(pause_ms);
        let ended = EndedProfile { id: incident_id.to_owned(), profile, pause_ms };
        // A full channel: then the incident is closed when nobody has answered.
        let _ = self.commands.try_send(Command::ProfileEnded(Box::new(ended)));
    }
}
