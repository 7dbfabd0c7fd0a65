//! V8's heap snapshot format: a graph as columns, dominators and retained sizes, the kind of leak that a path shows.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use leakprobe_heap_snapshot::{Dominators, read};
//!
//! let mut file = std::fs::File::open("app.heapsnapshot")?;
//! let (graph, warnings) = read(&mut file, &mut |_bytes| true)?;
//! let dominators = Dominators::new(&graph);
//! assert_eq!(dominators.retained(graph.root()), graph.total_size());
//! # Ok(())
//! # }
//! ```
//!
//! # What this crate does not do
//!
//! It opens no files and knows no Node-API: bytes in, numbers out.

#![forbid(unsafe_code)]

mod bits;
mod dominators;
mod error;
mod graph;
mod ids;
mod layout;
mod leak_kind;
mod meter;
mod parse;
mod reach;
mod source;
mod strings;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use dominators::Dominators;
pub use error::{Error, ReadError, Warning};
pub use graph::{Edge, EdgeIndex, EdgeName, Graph, NodeIndex, NodeKind};
pub use leak_kind::{Classified, EdgeKind, LeakKind, MANY, Step, classify};
pub use meter::{Meter, Summary};
pub use parse::read;
pub use source::Progress;
pub use strings::{StringId, Strings};
