//! A life's buckets as bytes, for the history, and back. Numbers are `f32`, the lowest byte first.
//!
//! **Invariant:** reading never fails: of bytes that are something else, nothing is taken.

use super::history::{Bucket, MOST_BUCKETS, ProcessBucket, RouteHistory};
use super::lives::LifeRecord;
use crate::event::RouteId;
use crate::route_table::RouteTable;

/// First byte: the form.
const FORM: u8 = 1;
/// Numbers of a bucket of a process, and of a route.
const OF_PROCESS: usize = 6;
const OF_ROUTE: usize = 7;

#[expect(clippy::cast_possible_truncation, reason = "sums whose first seven digits matter")]
pub(super) fn write(process: &[ProcessBucket], routes: &[RouteHistory], names: &RouteTable) -> LifeRecord {
    let of_process = process.iter().flat_map(|bucket| {
        let ProcessBucket { span_ns, requests, in_flight_ns, gc_ns, busy_ns, late_ns } = *bucket;
        [span_ns, requests, in_flight_ns, gc_ns, busy_ns, late_ns].map(|number| number as f32)
    });
    let called = routes.iter().enumerate().skip(1).filter(|(_, route)| !route.buckets().is_empty());
    let routes = called.filter_map(|(index, route)| {
        let name = names.name(RouteId(u16::try_from(index).ok()?)).to_owned();
        Some((name, bytes(route.buckets().iter().flat_map(of_route))))
    });
    LifeRecord { process: bytes(of_process), routes: routes.collect() }
}

#[expect(clippy::cast_precision_loss, reason = "a count whose first seven digits matter")]
fn of_route(bucket: &Bucket) -> [f32; OF_ROUTE] {
    let [one, two, three] = bucket.logs;
    [f32::from(bucket.index), bucket.requests as f32, bucket.sampled, one, two, three, bucket.busy_ns]
}

fn bytes(numbers: impl Iterator<Item = f32>) -> Vec<u8> {
    let mut bytes = vec![FORM];
    bytes.extend(numbers.flat_map(f32::to_le_bytes));
    bytes
}

pub(super) fn process(bytes: &[u8]) -> Vec<ProcessBucket> {
    let numbers: Vec<f64> = numbers(bytes).into_iter().map(f64::from).collect();
    let buckets = numbers.chunks_exact(OF_PROCESS).filter_map(|bucket| {
        let [span_ns, requests, in_flight_ns, gc_ns, busy_ns, late_ns] =
            <[f64; OF_PROCESS]>::try_from(bucket).ok()?;
        Some(ProcessBucket { span_ns, requests, in_flight_ns, gc_ns, busy_ns, late_ns })
    });
    buckets.take(MOST_BUCKETS).collect()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
pub(super) fn route(bytes: &[u8]) -> RouteHistory {
    let numbers = numbers(bytes);
    let buckets = numbers.chunks_exact(OF_ROUTE).filter_map(|bucket| {
        let [index, requests, sampled, one, two, three, busy_ns] =
            <[f32; OF_ROUTE]>::try_from(bucket).ok()?;
        let index = index as u16;
        let logs = [one, two, three];
        (usize::from(index) < MOST_BUCKETS).then_some(Bucket {
            index,
            requests: requests as u32,
            sampled,
            logs,
            busy_ns,
        })
    });
    let mut buckets: Vec<Bucket> = buckets.take(MOST_BUCKETS).collect();
    buckets.sort_by_key(|bucket| bucket.index);
    buckets.dedup_by_key(|bucket| bucket.index);
    RouteHistory::of(buckets)
}

/// The numbers, none of them infinite; nothing of another form.
fn numbers(bytes: &[u8]) -> Vec<f32> {
    let Some((&FORM, rest)) = bytes.split_first() else { return Vec::new() };
    let numbers = rest.chunks_exact(4).filter_map(|four| Some(f32::from_le_bytes(four.try_into().ok()?)));
    let numbers: Vec<f32> = numbers.collect();
    if numbers.iter().all(|number| number.is_finite()) { numbers } else { Vec::new() }
}
