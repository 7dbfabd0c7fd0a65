//! Where a text stops being a heap snapshot.

use std::fmt;

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
