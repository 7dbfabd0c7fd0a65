//! `cargo fuzz run --features libfuzzer parse`; see README.md.

#![no_main]

use leakprobe_fuzz::{changed, check, small};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use std::sync::OnceLock;

fuzz_target!(|input: &[u8]| {
    static SMALL: OnceLock<Vec<u8>> = OnceLock::new();
    if let Err(broken) = check("parse", input, SMALL.get_or_init(small)) {
        panic!("{broken}");
    }
});

// Every other input is changed by what knows the format.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    if seed % 2 == 0 || size == 0 { fuzzer_mutate(data, size, max_size) } else { changed(data, size, max_size, seed) }
});
