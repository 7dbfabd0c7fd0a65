//! Names of routes, each once, with a cap: what comes after it shares `other`.

use crate::event::RouteId;
use std::collections::HashMap;

/// Longest name kept, characters.
const LONGEST: usize = 200;

/// The table that issues [`RouteId`]s.
#[derive(Debug)]
pub struct RouteTable {
    names: Vec<String>,
    ids: HashMap<String, RouteId>,
    cap: usize,
}

impl RouteTable {
    /// A table for at most `cap` routes besides `other`.
    pub fn new(cap: u16) -> Self {
        Self { names: vec!["other".to_owned()], ids: HashMap::new(), cap: usize::from(cap.min(u16::MAX - 1)) }
    }

    /// The id of `name`, new if there is room; [`RouteId`] 0 otherwise.
    pub fn intern(&mut self, name: &str) -> RouteId {
        let name: String = name.chars().take(LONGEST).collect();
        if let Some(id) = self.ids.get(&name) {
            return *id;
        }
        let Some(id) = u16::try_from(self.names.len()).ok().filter(|id| usize::from(*id) <= self.cap) else {
            return RouteId(0);
        };
        self.names.push(name.clone());
        self.ids.insert(name, RouteId(id));
        RouteId(id)
    }

    /// The name of a route; `other` for an id of another table.
    pub fn name(&self, id: RouteId) -> &str {
        self.names.get(usize::from(id.0)).map_or("other", String::as_str)
    }

    /// How many there are, `other` included: the next id.
    #[expect(clippy::len_without_is_empty, reason = "there is always `other`")]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Memory held, bytes.
    pub fn bytes(&self) -> usize {
        self.names.iter().map(|name| 2 * name.len() + 96).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_id_and_the_cap_leads_to_other() {
        let mut table = RouteTable::new(2);

        let first = table.intern("GET /a");
        assert_eq!(table.intern("GET /a"), first);
        assert_eq!(table.intern("GET /b"), RouteId(2));
        assert_eq!(table.intern("GET /c"), RouteId(0));

        assert_eq!(table.name(first), "GET /a");
        assert_eq!(table.name(RouteId(77)), "other");
    }

    #[test]
    fn long_names_are_cut_at_a_character() {
        let mut table = RouteTable::new(9);
        let id = table.intern(&"é".repeat(300));
        assert_eq!(table.name(id).chars().count(), LONGEST);
    }
}
