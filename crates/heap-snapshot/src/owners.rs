//! Whose code a heap's bytes hang on: the nearest function or module on the way to them that is not Node's own.

use crate::script;
use crate::{Graph, Profile};
use serde::Serialize;
use std::collections::HashMap;

/// A file with what hangs on its functions and variables.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// The npm package; absent for the program's own files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// The file; `node` for Node's own code and what no code is on the way to.
    pub file: String,
    /// Objects.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Files by the bytes that hang on them, most first.
pub fn owners(graph: &Graph, profile: &Profile, most: usize) -> Vec<Owner> {
    const NODE: usize = 0;
    let mut files: Vec<(String, u64, u64)> = vec![("node".to_owned(), 0, 0)];
    let mut known: HashMap<String, usize> = HashMap::new();
    let mut owner_of = vec![NODE; profile.entries().len()];
    for (at, entry) in profile.entries().iter().enumerate() {
        let own = script::place(graph, entry.example).filter(|_| at > 0);
        let owner = match own {
            // What hangs on Node's own code is Node's, though a module may lead there.
            Some(place) if place.is_internal() => NODE,
            Some(place) => *known.entry(place.file.clone()).or_insert_with(|| {
                files.push((place.file, 0, 0));
                files.len() - 1
            }),
            None => owner_of.get(entry.parent as usize).copied().unwrap_or(NODE),
        };
        if let Some(slot) = owner_of.get_mut(at) {
            *slot = owner;
        }
        if let Some((_, count, bytes)) = files.get_mut(owner) {
            *count += entry.count;
            *bytes += entry.own_bytes;
        }
    }
    let mut owners: Vec<Owner> = files
        .into_iter()
        .filter(|(_, count, _)| *count > 0)
        .map(|(file, count, bytes)| Owner {
            package: script::package(&file).map(str::to_owned),
            file,
            count,
            bytes,
        })
        .collect();
    owners.sort_by(|one, other| other.bytes.cmp(&one.bytes).then_with(|| one.file.cmp(&other.file)));
    owners.truncate(most);
    owners
}
