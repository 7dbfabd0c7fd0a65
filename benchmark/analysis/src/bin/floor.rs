//! A bare floor: the integers of `nodes` and `edges` scanned into columns, without a check and without strings, and
//! dominators by Cooper, Harvey and Kennedy over a breadth-first order. Not robust, and no worse than it need be.

use std::io::Read;
use std::time::Instant;

struct Scan {
    file: std::fs::File,
    buffer: Vec<u8>,
    at: usize,
    end: usize,
}

impl Scan {
    fn byte(&mut self) -> Option<u8> {
        if self.at == self.end {
            self.end = self.file.read(&mut self.buffer).expect("readable");
            self.at = 0;
            if self.end == 0 {
                return None;
            }
        }
        self.at += 1;
        Some(self.buffer[self.at - 1])
    }

    fn find(&mut self, word: &[u8]) {
        let mut matched = 0;
        while matched < word.len() {
            let byte = self.byte().expect("the section");
            matched = if byte == word[matched] { matched + 1 } else { usize::from(byte == word[0]) };
        }
    }

    /// Numbers up to the end of the array.
    fn numbers(&mut self, mut take: impl FnMut(u32)) {
        let (mut value, mut digits) = (0_u32, false);
        loop {
            let window = &self.buffer[self.at..self.end];
            let mut used = window.len();
            let mut ended = false;
            for (index, byte) in window.iter().enumerate() {
                let digit = byte.wrapping_sub(b'0');
                if digit < 10 {
                    value = value.wrapping_mul(10).wrapping_add(u32::from(digit));
                    digits = true;
                } else {
                    if digits {
                        take(value);
                        (value, digits) = (0, false);
                    }
                    if *byte == b']' {
                        (used, ended) = (index + 1, true);
                        break;
                    }
                }
            }
            self.at += used;
            if ended {
                return;
            }
            self.end = self.file.read(&mut self.buffer).expect("readable");
            self.at = 0;
            assert!(self.end > 0, "the array ends");
        }
    }
}

fn main() {
    let path = std::env::args().nth(1).expect("a file");
    let start = Instant::now();
    let file = std::fs::File::open(path).expect("a readable file");
    let mut scan = Scan { file, buffer: vec![0; 1 << 20], at: 0, end: 0 };
    scan.find(b"\"node_fields\":");
    let mut fields = 0;
    loop {
        match scan.byte() {
            Some(b',') => fields += 1,
            Some(b']') | None => break,
            _ => {}
        }
    }
    let fields = fields + 1;
    scan.find(b"\"nodes\":[");
    let (mut sizes, mut first, mut edges, mut field) = (Vec::new(), vec![0_u32], 0_u32, 0);
    scan.numbers(|value| {
        match field {
            3 => sizes.push(value),
            4 => {
                edges += value;
                first.push(edges);
            }
            _ => {}
        }
        field = if field + 1 == fields { 0 } else { field + 1 };
    });
    scan.find(b"\"edges\":[");
    let mut targets: Vec<u32> = Vec::with_capacity(edges as usize);
    let (mut kind, mut field) = (0, 0);
    scan.numbers(|value| {
        match field {
            0 => kind = value,
            // Weak edges, the seventh kind, and shortcuts, the sixth, keep nothing: they lead to the root.
            2 => targets.push(if kind >= 5 { 0 } else { value / fields }),
            _ => {}
        }
        field = (field + 1) % 3;
    });
    while scan.byte().is_some() {
        scan.at = scan.end;
    }
    let parsed = start.elapsed();
    let retained = retained(&first, &targets, &sizes);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("");
    let peak = line.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) * 1024;
    println!(
        "{{\"seconds\":{},\"parseSeconds\":{},\"nodes\":{},\"bytes\":{retained},\"peakBytes\":{peak}}}",
        start.elapsed().as_secs_f64(),
        parsed.as_secs_f64(),
        sizes.len()
    );
}

fn retained(first: &[u32], targets: &[u32], sizes: &[u32]) -> u64 {
    const NONE: u32 = u32::MAX;
    let count = sizes.len();
    let mut number = vec![NONE; count];
    let mut order = vec![0_u32];
    let mut dominator = vec![0_u32; count];
    number[0] = 0;
    let mut next = 0;
    while next < order.len() {
        let node = order[next] as usize;
        for target in &targets[first[node] as usize..first[node + 1] as usize] {
            if number[*target as usize] == NONE {
                number[*target as usize] = order.len() as u32;
                dominator[order.len()] = next as u32;
                order.push(*target);
            }
        }
        next += 1;
    }
    let mut changed = true;
    let deadline = Instant::now() + std::time::Duration::from_secs(300);
    while changed && Instant::now() < deadline {
        changed = false;
        for (at, node) in order.iter().enumerate() {
            for target in &targets[first[*node as usize] as usize..first[*node as usize + 1] as usize] {
                let to = number[*target as usize];
                let (mut one, mut other) = (dominator[to as usize], at as u32);
                while one != other {
                    if one > other {
                        one = dominator[one as usize];
                    } else {
                        other = dominator[other as usize];
                    }
                }
                if one != dominator[to as usize] && to != 0 {
                    dominator[to as usize] = one;
                    changed = true;
                }
            }
        }
    }
    let mut sums: Vec<u64> = order.iter().map(|node| u64::from(sizes[*node as usize])).collect();
    for at in (1..sums.len()).rev() {
        sums[dominator[at] as usize] += sums[at];
    }
    sums[0]
}
