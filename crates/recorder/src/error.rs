//! What can go wrong here, each with a code that JavaScript sees.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// An error of the recorder.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The directory cannot be made or written to. Remedy: another `directory`, or `false` to keep nothing on disk.
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The background thread cannot be started: a limit on threads or memory.
    Thread(io::Error),
    /// An alarm can never be sent, or there is no thread for it; in words, without its URL.
    Alarm(String),
    /// The probe has been stopped.
    Stopped,
    /// Incidents need a directory, and this probe has none.
    NoDirectory,
    /// No incident of this id waits for a heap snapshot: it was completed, or never asked for one.
    UnknownIncident(String),
    /// Too many captures wait to be written.
    Busy,
    /// The budget of freezing is used up; why.
    OutOfBudget(String),
    /// A pipe, a file or a text could not be made.
    Io {
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

impl Error {
    /// The code for JavaScript, from the table in `lib/errors.js`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Directory { .. } => "LEAKPROBE_ERR_DIRECTORY",
            Self::Thread(_) => "LEAKPROBE_ERR_THREAD",
            Self::Alarm(_) => "LEAKPROBE_ERR_ALARM",
            Self::Stopped => "LEAKPROBE_ERR_STOPPED",
            Self::NoDirectory => "LEAKPROBE_ERR_NO_DIRECTORY",
            Self::UnknownIncident(_) => "LEAKPROBE_ERR_UNKNOWN_INCIDENT",
            Self::Busy => "LEAKPROBE_ERR_BUSY",
            Self::OutOfBudget(_) => "LEAKPROBE_ERR_BUDGET",
            Self::Io { .. } => "LEAKPROBE_ERR_IO",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory { path, source } => {
                write!(f, "{} cannot be written to: {source}", path.display())
            }
            Self::Thread(source) => write!(f, "the background thread cannot be started: {source}"),
            Self::Stopped => f.write_str("the probe has been stopped"),
            Self::NoDirectory => f.write_str("nothing can be captured: this probe has no directory"),
            Self::UnknownIncident(id) => write!(f, "no incident {id} waits for a heap snapshot"),
            Self::Busy => f.write_str("too many captures are waiting"),
            Self::Alarm(why) | Self::OutOfBudget(why) => f.write_str(why),
            Self::Io { doing, source } => write!(f, "{doing}: {source}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Directory { source, .. } | Self::Thread(source) | Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
