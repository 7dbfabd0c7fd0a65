//! The crate `v8-heap-parser`: graph, classes and retained sizes.

use std::io::BufReader;
use std::time::Instant;

fn main() {
    let path = std::env::args().nth(1).expect("a file");
    let start = Instant::now();
    let file = BufReader::with_capacity(1 << 20, std::fs::File::open(path).expect("a readable file"));
    let graph = v8_heap_parser::decode_reader(file).expect("a heap snapshot");
    let parsed = start.elapsed();
    let classes = graph.get_class_groups(false).len();
    let bytes = graph.retained_size(0);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("");
    let peak = line.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) * 1024;
    println!(
        "{{\"seconds\":{},\"parseSeconds\":{},\"nodes\":{},\"bytes\":{bytes},\"classes\":{classes},\"peakBytes\":{peak}}}",
        start.elapsed().as_secs_f64(),
        parsed.as_secs_f64(),
        graph.nodes().len()
    );
}
