//! Edges by numbers, one node after the other: how many, then each as its difference to the node's own number, in as few bytes as
//! it has (LEB128, signs folded in).

/// A block's bytes; a node's edges lie in one block.
const BLOCK: usize = 1 << 20;
/// A number's bytes at most.
const LONGEST: usize = 5;

/// The edges of nodes in the order they were pushed.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    blocks: Vec<Vec<u8>>,
}

impl Stream {
    /// Adds the edges of the next node.
    pub(crate) fn push(&mut self, from: u32, targets: &[u32]) {
        let most = (targets.len() + 1) * LONGEST;
        if self.blocks.last().is_none_or(|block| block.capacity() - block.len() < most) {
            self.blocks.push(Vec::with_capacity(BLOCK.max(most)));
        }
        let Some(block) = self.blocks.last_mut() else { return };
        write(block, targets.len() as u32);
        for to in targets {
            let difference = to.wrapping_sub(from) as i32;
            write(block, ((difference << 1) ^ (difference >> 31)) as u32);
        }
    }

    /// Memory held, bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.blocks.iter().map(|block| block.capacity() as u64).sum()
    }
}

fn write(block: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        block.push(number as u8 | 0x80);
        number >>= 7;
    }
    block.push(number as u8);
}

/// Reads the nodes of a stream in their order.
pub(crate) struct Reader<'s> {
    blocks: std::slice::Iter<'s, Vec<u8>>,
    rest: std::slice::Iter<'s, u8>,
}

impl<'s> Reader<'s> {
    pub(crate) fn new(stream: &'s Stream) -> Self {
        Self { blocks: stream.blocks.iter(), rest: [].iter() }
    }

    /// The targets of the next node; `from` is its own number. To be read to their end.
    #[inline]
    pub(crate) fn node(&mut self, from: u32) -> Targets<'_, 's> {
        if self.rest.as_slice().is_empty()
            && let Some(block) = self.blocks.next()
        {
            self.rest = block.iter();
        }
        let left = self.read();
        Targets { reader: self, from, left }
    }

    #[inline]
    fn read(&mut self) -> u32 {
        let mut number = 0;
        let mut shift = 0;
        for byte in self.rest.by_ref() {
            number |= u32::from(byte & 0x7f) << shift;
            if *byte < 0x80 {
                break;
            }
            shift += 7;
        }
        number
    }
}

/// The targets of one node.
pub(crate) struct Targets<'r, 's> {
    reader: &'r mut Reader<'s>,
    from: u32,
    left: u32,
}

impl Iterator for Targets<'_, '_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        self.left = self.left.checked_sub(1)?;
        let folded = self.reader.read();
        let difference = (folded >> 1) as i32 ^ -((folded & 1) as i32);
        Some(self.from.wrapping_add(difference as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out() {
        let rows: Vec<Vec<u32>> = (0..3_000_u32)
            .map(|from| {
                (0..from % 900)
                    .map(|index| (from + 1).wrapping_mul(index.wrapping_mul(77_777)) >> 1)
                    .collect()
            })
            .collect();
        let mut stream = Stream::default();
        for (from, row) in (1..).zip(&rows) {
            stream.push(from, row);
        }
        stream.push(7, &[0, u32::MAX >> 1, 7]);

        assert!(stream.blocks.len() > 2 && stream.bytes() < 8 << 20);
        let mut reader = Reader::new(&stream);
        for (from, row) in (1..).zip(&rows) {
            assert_eq!(&reader.node(from).collect::<Vec<_>>(), row);
        }
        assert_eq!(reader.node(7).collect::<Vec<_>>(), [0, u32::MAX >> 1, 7]);
        assert_eq!(reader.node(8).next(), None);
    }
}
