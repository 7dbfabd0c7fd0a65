//! Why there is no walk.

use std::fmt;
use std::io;

/// Why a heap is not walked. A walk that cannot be trusted is refused, never guessed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// The running executable cannot be read: another file system, a security policy.
    Executable(io::Error),
    /// The running executable is no 64-bit ELF file that can be understood.
    Format(String),
    /// A function or constant of V8 is not among the executable's symbols: it was stripped, or it is another V8.
    Symbol(String),
    /// This build of V8 lays its heap out in a way the walk does not know: pointer compression, another word size.
    Layout(String),
    /// V8's heap was not found, or two ways to find it disagree.
    Heap(String),
    /// A walk did not find what was planted for it.
    SelfTest(String),
    /// The heap snapshot could not be written.
    Output(io::Error),
    /// The heap has more objects or pages than a walk can number.
    TooLarge(u64),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Executable(_) => f.write_str("the running executable cannot be read"),
            Self::Format(why) => write!(f, "the running executable is not understood: {why}"),
            Self::Symbol(name) => {
                write!(f, "the running executable has no symbol {name}: stripped, or another V8")
            }
            Self::Layout(why) => write!(f, "an unknown heap layout: {why}"),
            Self::Heap(why) => write!(f, "V8's heap was not found: {why}"),
            Self::SelfTest(why) => write!(f, "the self-test failed: {why}"),
            Self::Output(_) => f.write_str("the heap snapshot could not be written"),
            Self::TooLarge(objects) => {
                write!(f, "a heap of {objects} objects is more than a walk can number")
            }
        }
    }
}

impl std::error::Error for Refusal {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Executable(error) | Self::Output(error) => Some(error),
            _ => None,
        }
    }
}
