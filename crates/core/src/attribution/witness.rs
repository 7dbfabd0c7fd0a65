//! The witnesses besides levels: holders that walks found, sites, watched requests. All bounded.

use super::timeline::Held;
use super::{HOLDERS, SITES};
use crate::event::{RouteId, SiteCount};
use crate::observation::{Frame, Holder, SiteInfo, Watched};
use crate::stats::{FrameStats, SiteStats};
use std::collections::{BTreeMap, BTreeSet};

/// What walks found, by signature: what a holder is, while its numbers are in the timeline.
#[derive(Debug, Default)]
pub(crate) struct Holders {
    known: BTreeMap<u64, Holder>,
}

/// Longest path and text kept of a holder.
const PATH: usize = 32;
const TEXT: usize = 200;

impl Holders {
    /// The numbers of a census, in order of signature; the descriptions are kept here.
    pub(crate) fn read(&mut self, holders: &[Holder]) -> Box<[Held]> {
        let mut held = BTreeMap::new();
        for holder in holders.iter().take(HOLDERS) {
            let Holder { signature, count, bytes, .. } = *holder;
            held.insert(signature, Held { signature, count, bytes });
            self.known.entry(signature).or_insert_with(|| {
                let mut kept = holder.clone();
                kept.path.truncate(PATH);
                kept.path.iter_mut().chain([&mut kept.class]).for_each(cut);
                kept
            });
        }
        held.into_values().collect()
    }

    /// What is in no point any more is forgotten.
    pub(crate) fn forget_all_but(&mut self, alive: impl Iterator<Item = u64>) {
        let alive: BTreeSet<u64> = alive.collect();
        self.known.retain(|signature, _| alive.contains(signature));
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Holder> {
        self.known.values()
    }

    pub(crate) fn bytes(&self) -> usize {
        let texts = |holder: &Holder| holder.path.iter().map(|text| text.len() + 24).sum::<usize>();
        self.known.values().map(|holder| size_of::<Holder>() + texts(holder)).sum()
    }
}

fn cut(text: &mut String) {
    if let Some((index, _)) = text.char_indices().nth(TEXT) {
        text.truncate(index);
    }
}

/// What the sites are.
#[derive(Debug, Default)]
pub(crate) struct Sites {
    known: BTreeMap<u32, SiteInfo>,
    last: BTreeMap<u32, u64>,
}

impl Sites {
    pub(crate) fn add(&mut self, id: u32, info: SiteInfo) -> bool {
        if self.known.len() >= SITES && !self.known.contains_key(&id) {
            return false;
        }
        self.known.insert(id, info);
        true
    }

    /// The counts of known sites, in order of site.
    pub(crate) fn known(&mut self, counts: &[SiteCount]) -> Box<[(u32, u64)]> {
        let known = counts.iter().filter(|count| self.known.contains_key(&count.site));
        let by_site: BTreeMap<u32, u64> = known.map(|count| (count.site, count.count)).collect();
        self.last.extend(&by_site);
        by_site.into_iter().collect()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (u32, &SiteInfo)> {
        self.known.iter().map(|(id, info)| (*id, info))
    }

    /// For the stats, largest count first.
    pub(crate) fn stats(&self) -> Vec<SiteStats> {
        let frame = |frame: &Frame| FrameStats {
            function: frame.function.clone(),
            file: frame.file.clone(),
            line: frame.line,
            package: frame.package.clone(),
        };
        let site = |(id, info): (u32, &SiteInfo)| SiteStats {
            what: info.what.name().to_owned(),
            of: info.of.clone(),
            count: self.last.get(&id).copied().unwrap_or(0),
            stack: info.stack.iter().map(frame).collect(),
        };
        let mut sites: Vec<SiteStats> = self.all().map(site).collect();
        sites.sort_by_key(|site| std::cmp::Reverse(site.count));
        sites
    }

    pub(crate) fn bytes(&self) -> usize {
        self.known.values().map(|info| size_of::<SiteInfo>() + info.stack.len() * 150).sum()
    }
}

/// Watched requests of a route: how many had ended, and how many of them were alive, at the last floor.
#[derive(Debug, Default)]
pub(crate) struct WatchedRequests {
    last: BTreeMap<RouteId, Watched>,
}

impl WatchedRequests {
    pub(crate) fn read(&mut self, watched: &[Watched]) {
        for seen in watched {
            self.last.insert(seen.route, *seen);
        }
    }

    pub(crate) fn of(&self, route: RouteId) -> Option<Watched> {
        self.last.get(&route).copied().filter(|seen| seen.watched > 0)
    }
}
