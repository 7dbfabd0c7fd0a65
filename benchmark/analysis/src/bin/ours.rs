//! leakprobe's own parts on a file, each with its time, as a line of JSON.

use leakprobe_heap_snapshot::{Dominators, analyze, read, retained_by_class};
use std::time::Instant;

fn main() {
    let mut args = std::env::args().skip(1);
    let (what, path) = (args.next().expect("core or analyze"), args.next().expect("a file"));
    let start = Instant::now();
    let mut file = std::fs::File::open(path).expect("a readable file");
    let (graph, _) = read(&mut file, &mut |_| true).expect("a heap snapshot");
    let parsed = start.elapsed();
    if what == "core" {
        let dominators = Dominators::new(&graph);
        let classes = retained_by_class(&graph, &dominators);
        print(start, parsed, graph.node_count(), dominators.retained(graph.root()), classes.len());
    } else {
        let analysis = analyze(&graph, &[], 10);
        print(start, parsed, graph.node_count(), analysis.totals.bytes, analysis.classes.len());
    }
}

fn print(start: Instant, parsed: std::time::Duration, nodes: usize, bytes: u64, classes: usize) {
    println!(
        "{{\"seconds\":{},\"parseSeconds\":{},\"nodes\":{nodes},\"bytes\":{bytes},\"classes\":{classes},\"peakBytes\":{}}}",
        start.elapsed().as_secs_f64(),
        parsed.as_secs_f64(),
        peak()
    );
}

/// The process's largest resident memory, bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("");
    line.split_whitespace().nth(1).and_then(|kilobytes| kilobytes.parse::<u64>().ok()).unwrap_or(0) * 1024
}
