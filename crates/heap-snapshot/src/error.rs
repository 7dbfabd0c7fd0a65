//! Where a text stops being a heap snapshot, and why reading one can fail.

use std::fmt;
use std::io;

/// A heap snapshot that is damaged or no heap snapshot at all.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Error {
    /// Offset in bytes.
    pub offset: u64,
    /// What should have been there.
    pub expected: &'static str,
    /// What was.
    pub found: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}: expected {}, found {}", self.offset, self.expected, self.found)
    }
}

impl std::error::Error for Error {}

/// Why no graph came of an input.
#[non_exhaustive]
#[derive(Debug)]
pub enum ReadError {
    /// The text is damaged; a complete file has to be made anew.
    Damaged(Error),
    /// The input could not be read, or its compression is damaged.
    Input(io::Error),
    /// The output could not be written.
    Output(io::Error),
    /// The one who watches the progress said stop.
    Cancelled,
    /// Memory for the columns could not be had.
    OutOfMemory,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(error) => write!(f, "{error}"),
            Self::Input(error) | Self::Output(error) => write!(f, "{error}"),
            Self::Cancelled => f.write_str("cancelled"),
            Self::OutOfMemory => f.write_str("not enough memory for the heap snapshot's columns"),
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Damaged(error) => Some(error),
            Self::Input(error) | Self::Output(error) => Some(error),
            Self::Cancelled | Self::OutOfMemory => None,
        }
    }
}

impl From<Error> for ReadError {
    fn from(error: Error) -> Self {
        Self::Damaged(error)
    }
}

/// Damage that was worked around.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Warning {
    /// What is wrong.
    pub what: &'static str,
    /// How often.
    pub count: u64,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.what, self.count)
    }
}
