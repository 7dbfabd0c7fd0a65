//! `cargo run --release -- parse|redact|diff|all SECONDS [SEED]`: mutated heap snapshots into the parser with all that follows
//! it, into the redactor, and into a comparison. A panic, a loop without end or a broken invariant is a finding: the input
//! is written to `findings/` and the exit code is 1.
//!
//! Not libFuzzer: `cargo fuzz` wants a nightly compiler. Instead of coverage, the mutations know the format: numbers become
//! those that break things, rows and sections are cut, doubled and swapped, bytes are flipped.

use leakprobe_heap_snapshot::testing::SnapshotBuilder;
use leakprobe_heap_snapshot::{
    Comparison, Dominators, EdgeKind, Graph, NodeIndex, Redaction, analyze, path, read, redact, words, Paths,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

/// An input that takes longer has met something that does not end.
const LONGEST: Duration = Duration::from_secs(5);
/// Numbers at the edges of what columns hold.
const NUMBERS: [&str; 14] = [
    "0", "1", "5", "6", "7", "31", "255", "65536", "536870911", "536870912", "4294967295", "4294967296",
    "18446744073709551615", "99999999999999999999",
];

struct Random(u64);

impl Random {
    /// Marsaglia's xorshift.
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit.max(1)
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (target, seconds) = match args.as_slice() {
        [target, seconds, ..] => (target.as_str(), seconds.parse().unwrap_or(60)),
        _ => ("all", 60),
    };
    let seed = args.get(2).and_then(|seed| seed.parse().ok()).unwrap_or(0x5eed_1234_u64);
    std::panic::set_hook(Box::new(|_| {}));
    let mut findings = 0;
    for name in ["parse", "redact", "diff"].into_iter().filter(|name| target == "all" || target == *name) {
        findings += run(name, Duration::from_secs(seconds), seed);
    }
    std::process::exit(i32::from(findings > 0));
}

fn run(name: &str, time: Duration, seed: u64) -> u32 {
    let mut random = Random(seed | 1);
    let mut corpus = corpus(&mut random);
    let (start, mut runs, mut whole, mut findings) = (Instant::now(), 0_u64, 0_u64, 0);
    while start.elapsed() < time && findings < 20 {
        let input = mutated(&corpus, &mut random);
        let began = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| check(name, &input, &corpus[0])));
        runs += 1;
        let fault = match result {
            Ok(Ok(read)) => {
                // What is still read goes on being mutated.
                if read && corpus.len() < 500 && random.below(50) == 0 && input.len() < 40_000 {
                    corpus.push(input.clone());
                }
                whole += u64::from(read);
                (began.elapsed() > LONGEST).then(|| "too slow".to_owned())
            }
            Ok(Err(broken)) => Some(broken),
            Err(panic) => Some(match panic.downcast_ref::<String>() {
                Some(text) => text.clone(),
                None => panic.downcast_ref::<&str>().map_or_else(|| "a panic".to_owned(), |text| (*text).to_owned()),
            }),
        };
        if let Some(fault) = fault {
            findings += 1;
            let file = format!("findings/{name}-{runs}");
            let kept = std::fs::create_dir_all("findings").and_then(|()| std::fs::write(&file, &input));
            println!("{name}: {fault}: {file} {}", if kept.is_ok() { "" } else { "(not written)" });
        }
    }
    println!("{name}: {runs} inputs in {:.0} s, {whole} of them read to the end, {findings} findings", start.elapsed().as_secs_f64());
    findings
}

/// Whether the input was read to its end; an error for a broken invariant.
fn check(name: &str, input: &[u8], before: &[u8]) -> Result<bool, String> {
    match name {
        "redact" => {
            let mut out = Vec::new();
            let Ok(told) = redact(&mut &*input, &mut out, Redaction::default(), &mut |_| true) else { return Ok(false) };
            if told.redacted > told.strings {
                return Err("more strings redacted than there are".to_owned());
            }
            let (one, other) = (graph(input), graph(&out));
            match (one, other) {
                (Some(one), Some(other)) if one.node_count() == other.node_count() && one.edge_count() == other.edge_count() => Ok(true),
                (None, _) => Ok(false),
                _ => Err("what was redacted is another graph".to_owned()),
            }
        }
        "diff" => {
            let (Some(one), Some(other)) = (graph(before), graph(input)) else { return Ok(false) };
            let mut comparison = Comparison::default();
            comparison.before(&one, &[]);
            comparison.before(&other, &[]);
            let diff = comparison.last(&one, &[], 20);
            if diff.snapshots.len() == 3 { Ok(true) } else { Err("a comparison lost a heap snapshot".to_owned()) }
        }
        _ => {
            let Some(graph) = graph(input) else { return Ok(false) };
            let dominators = Dominators::new(&graph);
            if dominators.retained(graph.root()) != graph.nodes().fold(0, |sum: u64, node| sum.saturating_add(graph.self_size(node))) {
                return Err("the root does not retain everything".to_owned());
            }
            let paths = Paths::new(&graph);
            for node in graph.nodes().step_by(7).chain([NodeIndex(u32::MAX)]) {
                words(&graph, &path(&graph, &paths, node));
                graph.retainers(node);
            }
            let analysis = analyze(&graph, &[], 10);
            if analysis.totals.nodes == graph.node_count() as u64 { Ok(true) } else { Err("nodes were lost".to_owned()) }
        }
    }
}

fn graph(text: &[u8]) -> Option<Graph> {
    read(&mut &*text, &mut |_| true).ok().map(|(graph, _)| graph)
}

fn corpus(random: &mut Random) -> Vec<Vec<u8>> {
    let mut corpus: Vec<Vec<u8>> = (0..12).map(|size| made(random, 3 + size * size).json().into_bytes()).collect();
    // Files beside the program, such as earlier findings.
    for entry in std::fs::read_dir(Path::new("corpus")).into_iter().flatten().flatten() {
        corpus.extend(std::fs::read(entry.path()));
    }
    corpus
}

fn made(random: &mut Random, size: usize) -> SnapshotBuilder {
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

fn mutated(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
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
