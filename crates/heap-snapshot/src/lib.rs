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

mod analysis;
mod bits;
mod census;
mod classes;
mod dominator_tree;
mod dominators;
mod error;
mod fixed_points;
mod fold;
mod graph;
mod growth;
mod ids;
mod layout;
mod leak_kind;
mod likeness;
mod meter;
mod names;
mod owners;
mod parse;
mod paths;
mod profile;
mod reach;
mod redact;
mod script;
mod search_tree;
mod shapes;
mod source;
mod strings;
mod sums;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod watched;

pub use analysis::{
    ANALYSIS_SCHEMA, Analysis, ClassLine, ClassLineGrowth, Comparison, DIFF_SCHEMA, Diff, Gathering, Totals,
    analyze,
};
pub use bits::Ranked;
pub use census::{Census, Group, Listeners, Promises, Repeated, census};
pub use classes::{Class, histogram, retained_by_class};
pub use dominator_tree::DominatorTree;
pub use dominators::Dominators;
pub use error::{Error, ReadError, Warning};
pub use fold::{PathStep, path, words};
pub use graph::{Edge, EdgeIndex, EdgeName, Graph, NodeIndex, NodeKind};
pub use growth::{ClassGrowth, Footprint, Row, classes as grown_classes, rows};
pub use leak_kind::{Classified, EdgeKind, LeakKind, MANY, Step, classify};
pub use meter::{Meter, Summary};
pub use owners::{Owner, owners};
pub use parse::read;
pub use paths::Paths;
pub use profile::{Entry, Profile};
pub use redact::{Redacted, Redaction, redact};
pub use script::{Place, constructor, place};
pub use shapes::Shape;
pub use source::Progress;
pub use strings::{StringId, Strings};
pub use sums::Sums;
pub use watched::{Watched, watched};
