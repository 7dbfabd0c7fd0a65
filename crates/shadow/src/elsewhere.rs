//! Systems other than Linux: nothing is frozen, and the kernel is not asked what a thread waits for.

use crate::blocked::Blocked;
use crate::freeze::{Frozen, Limits, Refusal};
use crate::resident::Resident;
use std::io;
use std::os::fd::RawFd;

/// Cannot be had here.
#[derive(Debug)]
pub struct Preparation {
    never: std::convert::Infallible,
}

impl Preparation {
    /// Always an error.
    pub fn read() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Never called, for there is no preparation.
///
/// # Safety
///
/// As on Linux.
pub unsafe fn freeze(preparation: &mut Preparation, _: RawFd, _: Limits) -> Result<Frozen, Refusal> {
    match preparation.never {}
}

/// Not known here.
pub fn blocked_in(_: i32) -> Option<Blocked> {
    None
}

/// Cannot be had here.
#[derive(Debug)]
pub struct ResidentReader {
    never: std::convert::Infallible,
}

impl ResidentReader {
    /// Always an error.
    pub fn open() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Never called, for there is no reader.
    pub fn read(&mut self) -> io::Result<Resident> {
        match self.never {}
    }
}
