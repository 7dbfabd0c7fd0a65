//! The answer of one heap snapshot, and of several: plain values, ready for JSON.

use crate::census::{Census, census, in_words};
use crate::growth::{self, ClassGrowth, Footprint, Row};
use crate::owners::{Owner, owners};
use crate::shapes::{Shape, shapes};
use crate::watched::{Watched, watched};
use crate::{Dominators, Graph, Paths, Profile, Warning, retained_by_class};
use serde::Serialize;

/// The form of an analysis.
pub const ANALYSIS_SCHEMA: &str = "leakprobe.heap-analysis/1";
/// The form of a comparison.
pub const DIFF_SCHEMA: &str = "leakprobe.diff/1";

/// What a heap snapshot holds in all.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Objects.
    pub nodes: u64,
    /// References.
    pub edges: u64,
    /// Strings of the string table.
    pub strings: u64,
    /// Bytes of all objects.
    pub bytes: u64,
    /// Damage that was worked around.
    pub warnings: Vec<String>,
}

impl Totals {
    /// Of a graph.
    pub fn new(graph: &Graph, warnings: &[Warning]) -> Self {
        Self {
            nodes: graph.node_count() as u64,
            edges: graph.edge_count() as u64,
            strings: graph.strings().len() as u64,
            bytes: graph.total_size(),
            warnings: warnings.iter().map(ToString::to_string).collect(),
        }
    }
}

/// A class of objects.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassLine {
    /// Its name.
    pub name: String,
    /// Objects.
    pub count: u64,
    /// Bytes of the objects alone.
    pub self_bytes: u64,
    /// Bytes that would go with all of them.
    pub retained_bytes: u64,
}

/// Objects that gather in one place.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Gathering {
    /// Class of the objects.
    pub class: String,
    /// Kind of leak that it is, or would be.
    pub kind: &'static str,
    /// What that was told by.
    pub because: &'static str,
    /// Objects.
    pub count: u64,
    /// Bytes of all that hangs on them.
    pub bytes: u64,
    /// Objects more than in the first heap snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub more: Option<i64>,
    /// Bytes more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub more_bytes: Option<i64>,
    /// From how many heap snapshots to the next it grew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps_up: Option<u32>,
    /// The npm package whose code it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// The file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The function.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// The retaining path of one of them, as a person reads it.
    pub retaining_path: Vec<String>,
}

impl Gathering {
    fn new(row: Row, compared: bool) -> Self {
        let place = row.place;
        Self {
            class: row.class,
            kind: row.kind.as_str(),
            because: row.because,
            count: row.count,
            bytes: row.bytes,
            more: compared.then_some(row.more),
            more_bytes: compared.then_some(row.more_bytes),
            steps_up: compared.then_some(row.steps_up),
            package: place.as_ref().and_then(|place| place.package().map(str::to_owned)),
            line: place.as_ref().map(|place| place.line).filter(|line| *line > 0),
            function: place.as_ref().map(|place| place.function.clone()).filter(|name| !name.is_empty()),
            file: place.map(|place| place.file),
            retaining_path: row.path,
        }
    }

    /// `package file:line function`, as far as known.
    pub fn place(&self) -> Option<String> {
        let file = self.file.clone()?;
        let place = crate::Place { file, line: self.line.unwrap_or(0), function: String::new() };
        let function = self.function.as_deref().map(|name| format!(" {name}")).unwrap_or_default();
        Some(format!("{}{function}", in_words(&place)))
    }
}

/// The answer of one heap snapshot.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Analysis {
    /// [`ANALYSIS_SCHEMA`].
    pub schema: &'static str,
    /// Numbers of all.
    pub totals: Totals,
    /// What a reader should look at first.
    pub shapes: Vec<Shape>,
    /// Where objects gather, largest first.
    pub gathering: Vec<Gathering>,
    /// Whose code the bytes hang on, largest first.
    pub owners: Vec<Owner>,
    /// Classes by what they retain.
    pub classes: Vec<ClassLine>,
    /// Requests that ended and are still kept, by route and retaining path.
    pub watched: Vec<Watched>,
    /// Listeners, timers, promises, functions, strings.
    pub census: Census,
}

/// The answer of several heap snapshots of one program, oldest first.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diff {
    /// [`DIFF_SCHEMA`].
    pub schema: &'static str,
    /// Each of them.
    pub snapshots: Vec<Totals>,
    /// Where objects gather, by what that grew.
    pub growth: Vec<Gathering>,
    /// Classes that grew.
    pub classes: Vec<ClassLineGrowth>,
}

/// A class that grew.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassLineGrowth {
    /// Its name.
    pub name: String,
    /// Objects.
    pub count: u64,
    /// Objects more than in the first heap snapshot.
    pub more: i64,
    /// Bytes of the objects alone, more.
    pub more_bytes: i64,
}

/// Analyses one heap snapshot; lists have at most `most` entries.
pub fn analyze(graph: &Graph, warnings: &[Warning], most: usize) -> Analysis {
    let totals = Totals::new(graph, warnings);
    let dominators = Dominators::new(graph);
    let classes = retained_by_class(graph, &dominators);
    // What is not needed any more makes room for the paths.
    drop(dominators);
    let paths = Paths::new(graph);
    let profile = Profile::new(graph, &paths);
    let gathering: Vec<Gathering> = growth::rows(graph, &paths, &profile, &[], most)
        .into_iter()
        .map(|row| Gathering::new(row, false))
        .collect();
    let owners = owners(graph, &profile, most);
    let watched = watched(graph, &paths, most);
    drop((paths, profile));
    let census = census(graph, most);
    Analysis {
        schema: ANALYSIS_SCHEMA,
        shapes: shapes(&totals, &gathering, &census, &watched),
        gathering,
        owners,
        classes: classes.into_iter().take(most).map(class_line).collect(),
        watched,
        census,
        totals,
    }
}

fn class_line(class: crate::Class) -> ClassLine {
    let crate::Class { name, count, self_size, retained } = class;
    ClassLine { name, count, self_bytes: self_size, retained_bytes: retained }
}

/// Compares heap snapshots one after the other, so that only one of them need be in memory.
#[derive(Debug, Default)]
pub struct Comparison {
    snapshots: Vec<Totals>,
    before: Vec<Footprint>,
}

impl Comparison {
    /// Takes the next, older one.
    pub fn before(&mut self, graph: &Graph, warnings: &[Warning]) {
        let paths = Paths::new(graph);
        self.before.push(Footprint::new(graph, &Profile::new(graph, &paths)));
        self.snapshots.push(Totals::new(graph, warnings));
    }

    /// Takes the last one and answers, with at most `most` entries in each list.
    pub fn last(mut self, graph: &Graph, warnings: &[Warning], most: usize) -> Diff {
        let paths = Paths::new(graph);
        let profile = Profile::new(graph, &paths);
        let growth = growth::rows(graph, &paths, &profile, &self.before, most);
        let classes = self.before.first().map_or_else(Vec::new, |first| growth::classes(graph, first, most));
        self.snapshots.push(Totals::new(graph, warnings));
        Diff {
            schema: DIFF_SCHEMA,
            snapshots: self.snapshots,
            growth: growth.into_iter().map(|row| Gathering::new(row, true)).collect(),
            classes: classes
                .into_iter()
                .map(|ClassGrowth { name, more, more_bytes, count }| ClassLineGrowth {
                    name,
                    count,
                    more,
                    more_bytes,
                })
                .collect(),
        }
    }
}
