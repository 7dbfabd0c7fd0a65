//! `cargo run --release -- parse|redact|diff|all SECONDS [SEED]`: mutated heap snapshots into the parser with all that follows
//! it, into the redactor, and into a comparison. A panic, a loop without end or a broken invariant is a finding: the input
//! is written to `findings/` and the exit code is 1.
//!
//! `cargo run --release -- seeds` writes what both begin with to `corpus/`.
//!
//! Without coverage, on the stable compiler; with it, see `fuzz_targets/`. Seconds are of CPU time, so that a busy machine
//! changes nothing.

use leakprobe_fuzz::{Random, check, made, mutated};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

/// An input that takes longer has met something that does not end.
const LONGEST: Duration = Duration::from_secs(5);
const FOLDERS: [&str; 3] = ["parse", "redact", "diff"];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (target, seconds) = match args.as_slice() {
        [target, seconds, ..] => (target.as_str(), seconds.parse().unwrap_or(60)),
        [target] => (target.as_str(), 60),
        [] => ("all", 60),
    };
    let seed = args.get(2).and_then(|seed| seed.parse().ok()).unwrap_or(0x5eed_1234_u64);
    if target == "seeds" {
        return seeds();
    }
    std::panic::set_hook(Box::new(|_| {}));
    let mut findings = 0;
    for name in FOLDERS.into_iter().filter(|name| target == "all" || target == *name) {
        findings += run(name, Duration::from_secs(seconds), seed);
    }
    std::process::exit(i32::from(findings > 0));
}

fn seeds() {
    let mut random = Random(0x5eed_1234 | 1);
    for (index, text) in grown(&mut random).into_iter().enumerate() {
        for folder in FOLDERS.map(|name| Path::new("corpus").join(name)) {
            std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(folder.join(format!("made-{index}")), &text)).expect("corpus/ can be written");
        }
    }
}

fn grown(random: &mut Random) -> Vec<Vec<u8>> {
    (0..12).map(|size| made(random, 3 + size * size).json().into_bytes()).collect()
}

fn run(name: &str, time: Duration, seed: u64) -> u32 {
    let mut random = Random(seed | 1);
    let mut corpus = corpus(&mut random);
    let clock = Clock(Instant::now());
    let (start, mut runs, mut whole, mut findings) = (clock.now(), 0_u64, 0_u64, 0);
    while clock.now() - start < time && findings < 20 {
        let input = mutated(&corpus, &mut random);
        let began = clock.now();
        let result = catch_unwind(AssertUnwindSafe(|| check(name, &input, &corpus[0])));
        runs += 1;
        let fault = match result {
            Ok(Ok(read)) => {
                // What is still read goes on being mutated.
                if read && corpus.len() < 500 && random.below(50) == 0 && input.len() < 40_000 {
                    corpus.push(input.clone());
                }
                whole += u64::from(read);
                (clock.now() - began > LONGEST).then(|| "too slow".to_owned())
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
    println!("{name}: {runs} inputs in {:.0} s, {whole} of them read to the end, {findings} findings", (clock.now() - start).as_secs_f64());
    findings
}

fn corpus(random: &mut Random) -> Vec<Vec<u8>> {
    let mut corpus = grown(random);
    // Files beside the program, such as earlier findings.
    for folder in FOLDERS.map(|name| Path::new("corpus").join(name)) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            corpus.extend(std::fs::read(entry.path()));
        }
    }
    corpus
}

/// CPU time of this process; the time of day where the kernel does not say.
struct Clock(Instant);

impl Clock {
    fn now(&self) -> Duration {
        let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
        text.split(' ').next().and_then(|ns| ns.parse().ok()).map_or_else(|| self.0.elapsed(), Duration::from_nanos)
    }
}
