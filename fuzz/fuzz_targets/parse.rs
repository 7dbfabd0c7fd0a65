//! `cargo fuzz run --features libfuzzer parse`; see README.md.

#![no_main]

use leakprobe_fuzz::{Random, check, mutated, small};
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
    if seed % 2 == 0 || size == 0 {
        return fuzzer_mutate(data, size, max_size);
    }
    let mut random = Random(u64::from(seed) << 20 | 1);
    let text = mutated(&[data[..size].to_vec()], &mut random);
    let length = text.len().min(max_size);
    data[..length].copy_from_slice(&text[..length]);
    length
});
