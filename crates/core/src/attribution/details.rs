//! What says where a leak is: holders and sites that grow with a route.

use super::judge::going_on;
use super::regression::Observations;
use super::timeline::Held;
use super::{Attribution, Kind, Share};
use crate::event::RouteId;
use crate::number;
use crate::observation::{Holder, SiteInfo, SiteKind};

/// Holders, and sites of each kind, that are looked at: those that grew most.
const LOOKED_AT: usize = 16;
/// References that keep nothing alive. They pile up in every busy process until it runs its finalizers, which no shadow does: not
/// what is kept, but what waits to be swept. Where they are never swept, the floors say so.
const WEAK: [&str; 3] = ["WeakRef", "WeakCell", "(WeakCell)"];
/// Growth of counts below this in all is not looked at.
const LEAST_COUNT: f64 = 20.0;
/// Growth of bytes below this in all is not looked at.
const LEAST_BYTES: f64 = 16_384.0;

/// Everything that grows with a route and has a place.
pub(crate) struct Details<'a> {
    holders: Vec<Grown<&'a Holder>>,
    sites: Vec<Grown<&'a SiteInfo>>,
}

/// Something that grows with a group of routes.
pub(crate) struct Grown<T> {
    pub(crate) what: T,
    /// Per request: objects of a holder, listeners, timers or sampled bytes of a site.
    pub(crate) share: Share,
    /// Bytes per request.
    pub(crate) bytes: f64,
}

impl Grown<&Holder> {
    /// The share in bytes instead of objects.
    pub(crate) fn in_bytes(&self) -> Share {
        let mut share = self.share.clone();
        let each = if share.interval.value > 0.0 { self.bytes / share.interval.value } else { 0.0 };
        for end in [&mut share.interval.value, &mut share.interval.low, &mut share.interval.high] {
            *end *= each;
        }
        share
    }
}

impl<'a> Details<'a> {
    pub(crate) fn new(attribution: &'a Attribution, chance: f64) -> Self {
        let held = |signature: u64, field: fn(&Held) -> u64| {
            Observations::new(&attribution.exact, 0.5, move |point| {
                point.holder(signature).map(|held| number(field(held)))
            })
        };
        let mut grew: Vec<(f64, &Holder, Observations<'a>)> = attribution
            .holders
            .all()
            .filter(|holder| !WEAK.contains(&holder.class.as_str()))
            .map(|holder| (holder, held(holder.signature, |held| held.count)))
            .filter(|(_, counts)| counts.growth() >= LEAST_COUNT)
            .map(|(holder, counts)| (held(holder.signature, |held| held.bytes).growth(), holder, counts))
            .collect();
        grew.sort_by(|one, other| other.0.total_cmp(&one.0));
        grew.truncate(LOOKED_AT);
        let mut holders = Vec::new();
        for (bytes, holder, counts) in grew {
            let each = bytes / counts.growth();
            holders.extend(going_on(&counts, None, LEAST_COUNT, chance).into_iter().map(|share| Grown {
                what: holder,
                bytes: share.interval.value * each,
                share,
            }));
        }
        let mut sites = Vec::new();
        for what in [SiteKind::Listener, SiteKind::Timer, SiteKind::HeapSample] {
            let least = if what == SiteKind::HeapSample { LEAST_BYTES } else { LEAST_COUNT };
            let of_kind = attribution.sites.all().filter(|(_, info)| info.what == what);
            let mut grew: Vec<(&SiteInfo, Observations<'a>)> = of_kind
                .map(|(id, info)| {
                    (info, Observations::new(&attribution.counts, 0.5, move |point| point.site(id)))
                })
                .filter(|(_, counts)| counts.growth() >= least)
                .collect();
            grew.sort_by(|one, other| other.1.growth().total_cmp(&one.1.growth()));
            grew.truncate(LOOKED_AT);
            for (info, counts) in grew {
                sites.extend(going_on(&counts, None, least, chance).into_iter().map(|share| Grown {
                    what: info,
                    bytes: 0.0,
                    share,
                }));
            }
        }
        Self { holders, sites }
    }

    /// The routes of holders of a known kind that are large enough to be a leak by themselves.
    pub(crate) fn groups(&self) -> Vec<Vec<RouteId>> {
        let alone = self.holders.iter().filter(|grown| grown.what.kind != Kind::Unknown);
        let mut groups: Vec<Vec<RouteId>> = alone.map(|grown| grown.share.routes.clone()).collect();
        for group in &mut groups {
            group.sort_unstable();
        }
        groups
    }

    /// The holder that explains most of a group's bytes.
    pub(crate) fn holder(&self, group: &[RouteId]) -> Option<&Grown<&'a Holder>> {
        let of_group = self.holders.iter().filter(|grown| same(&grown.share.routes, group));
        of_group.max_by(|one, other| one.bytes.total_cmp(&other.bytes))
    }

    /// Whether a holder of this kind grows with a group.
    pub(crate) fn any(&self, group: &[RouteId], kind: Kind) -> bool {
        self.holders.iter().any(|grown| grown.what.kind == kind && same(&grown.share.routes, group))
    }

    /// The site of a kind that makes most of what a group keeps.
    pub(crate) fn site(&self, group: &[RouteId], what: SiteKind) -> Option<&Grown<&'a SiteInfo>> {
        let of_group =
            self.sites.iter().filter(|grown| grown.what.what == what && same(&grown.share.routes, group));
        of_group.max_by(|one, other| one.share.interval.value.total_cmp(&other.share.interval.value))
    }
}

fn same(routes: &[RouteId], group: &[RouteId]) -> bool {
    routes.len() == group.len() && routes.iter().all(|route| group.contains(route))
}
