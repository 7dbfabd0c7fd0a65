//! Mutations that know the format: numbers become those that break things, rows and sections are cut, doubled and swapped,
//! bytes are flipped. Coverage alone takes long to get past the first bracket.

use leakprobe_heap_snapshot::testing::SnapshotBuilder;
use leakprobe_heap_snapshot::{EdgeKind, NodeIndex};

/// Numbers at the edges of what columns hold.
const NUMBERS: [&str; 14] = [
    "0", "1", "5", "6", "7", "31", "255", "65536", "536870911", "536870912", "4294967295", "4294967296",
    "18446744073709551615", "99999999999999999999",
];

/// Numbers that look random, the same for the same seed.
pub struct Random(pub u64);

impl Random {
    /// Marsaglia's xorshift.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit.max(1)
    }
}

/// A heap snapshot of about `size` objects, any to any.
pub fn made(random: &mut Random, size: usize) -> SnapshotBuilder {
    const KINDS: [&str; 8] = ["object", "string", "closure", "array", "native", "code", "symbol", "synthetic"];
    const NAMES: [&str; 10] = [
        "Map", "Timeout", "Promise", "system / Context", "EventEmitter", "WatchedRequests", "WeakRef", "Object", "é\u{1f600}\"\\", "(GC roots)",
    ];
    const EDGES: [&str; 10] = [
        "_events", "table", "next", "reactions_or_result", "shared", "script", "_onTimeout", "<symbol kEvents>", "3",
        "1 / part of key (a @1) -> value (b @2) pair in WeakMap (table @3)",
    ];
    let kinds = [EdgeKind::Context, EdgeKind::Element, EdgeKind::Property, EdgeKind::Internal, EdgeKind::Hidden, EdgeKind::Shortcut, EdgeKind::Weak];
    let mut heap = SnapshotBuilder::new();
    let nodes: Vec<NodeIndex> = (0..size)
        .map(|_| heap.node(KINDS[random.below(KINDS.len())], NAMES[random.below(NAMES.len())], random.below(1 << 20) as u64))
        .collect();
    let function = heap.function("f", "/app/node_modules/p/f.js", 3);
    for _ in 0..size * 3 {
        let from = if random.below(5) == 0 { heap.root() } else { nodes[random.below(size)] };
        let to = if random.below(9) == 0 { function } else { nodes[random.below(size)] };
        heap.edge(from, kinds[random.below(kinds.len())], EDGES[random.below(EDGES.len())], to);
    }
    heap
}

/// One of the corpus, changed in up to six places.
pub fn mutated(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut text = corpus[random.below(corpus.len())].clone();
    for _ in 0..1 + random.below(6) {
        let at = random.below(text.len() + 1);
        match random.below(9) {
            0 => text.truncate(at),
            1 if at < text.len() => text[at] ^= 1 << random.below(8),
            2 => text.insert(at, b"[]{},:\"\\0123456789-.e \n\xff"[random.below(24)]),
            3 if at < text.len() => {
                text.remove(at);
            }
            4 => {
                let end = (at + random.below(60)).min(text.len());
                let piece = text[at..end].to_vec();
                let to = random.below(text.len() + 1);
                text.splice(to..to, piece);
            }
            5 => {
                let end = (at + random.below(60)).min(text.len());
                text.drain(at..end);
            }
            6 => {
                let other = &corpus[random.below(corpus.len())];
                let from = random.below(other.len());
                text.truncate(at);
                text.extend_from_slice(&other[from..]);
            }
            _ => {
                let digit = |byte: &u8| byte.is_ascii_digit();
                if let Some(start) = text.iter().skip(at).position(digit).map(|found| found + at) {
                    let length = text[start..].iter().take_while(|byte| digit(byte)).count();
                    text.splice(start..start + length, NUMBERS[random.below(NUMBERS.len())].bytes());
                }
            }
        }
        if text.is_empty() {
            text.push(b'{');
        }
    }
    text
}
