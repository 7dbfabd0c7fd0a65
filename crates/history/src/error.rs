//! What can go wrong with the file.

use rusqlite::ErrorCode;
use std::fmt;
use std::io;

/// An error of the history.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The file was written by a newer leakprobe. Remedy: update, or another directory; the file is left as it is.
    Newer {
        /// Its version.
        found: i64,
    },
    /// The file is an SQLite file of somebody else. Remedy: another directory; the file is left as it is.
    Foreign,
    /// The file is damaged; it is set aside.
    Damaged(rusqlite::Error),
    /// Another process writes. Remedy: again, later.
    Busy,
    /// The disk is full, or a limit on file sizes is reached.
    Full,
    /// It cannot be written to: read-only, or not permitted.
    ReadOnly,
    /// Whoever asked wanted no answer any more; see [`Reader::open_while`](crate::Reader::open_while).
    Stopped,
    /// Anything else that SQLite says.
    Sqlite(rusqlite::Error),
    /// The file could not be made, moved or looked at.
    Io(io::Error),
}

impl Error {
    /// Whether the same may well succeed a moment later.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Busy | Self::Stopped)
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(error),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::OperationInterrupted) => Self::Stopped,
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => Self::ReadOnly,
            _ => Self::Sqlite(error),
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::Full
            }
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => Self::ReadOnly,
            _ => Self::Io(error),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newer { found } => write!(
                f,
                "it was written by a newer leakprobe (version {found} of the form, this one knows {})",
                crate::VERSION
            ),
            Self::Foreign => f.write_str("it is an SQLite file, but not leakprobe's"),
            Self::Damaged(_) => f.write_str("it is damaged"),
            Self::Busy => f.write_str("another process writes to it"),
            Self::Full => f.write_str("the disk is full, or a limit on file sizes is reached"),
            Self::ReadOnly => f.write_str("it cannot be opened for writing"),
            Self::Stopped => f.write_str("reading it took too long"),
            Self::Sqlite(_) => f.write_str("SQLite failed"),
            Self::Io(_) => f.write_str("the file system failed"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Damaged(source) | Self::Sqlite(source) => Some(source),
            Self::Io(source) => Some(source),
            _ => None,
        }
    }
}
