//! The bits of a scan, without what is stuffed between them.

/// Reads bits, most significant first. At a marker, and at the end of the data, it goes on with zeros.
pub(super) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    /// The next bits, from the top.
    buffer: u64,
    /// How many of them count.
    have: u32,
    /// How many of those are zeros past the end.
    padding: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0, buffer: 0, have: 0, padding: 0 }
    }

    /// Sees to it that 32 bits are there: a code of 16 and its value of 15 at most.
    #[inline(always)]
    pub(super) fn refill(&mut self) {
        if self.have >= 32 {
            return;
        }
        if let Some(next) = self.data[self.at..].first_chunk() {
            let word = u64::from_be_bytes(*next);
            // No byte is FF: none of the complement is 0. Bits past `have` that are set already are the same ones.
            let zero = (!word).wrapping_sub(0x0101_0101_0101_0101) & word & 0x8080_8080_8080_8080;
            if zero == 0 {
                self.buffer |= word >> self.have;
                self.at += ((63 - self.have) >> 3) as usize;
                self.have |= 56;
                return;
            }
        }
        self.refill_by_byte();
    }

    #[cold]
    fn refill_by_byte(&mut self) {
        while self.have <= 56 {
            let byte = match (self.data.get(self.at), self.data.get(self.at + 1)) {
                (Some(0xff), Some(0)) => {
                    self.at += 2;
                    0xff
                }
                (Some(0xff), _) | (None, _) => {
                    self.padding += 8;
                    0
                }
                (Some(byte), _) => {
                    self.at += 1;
                    *byte
                }
            };
            self.buffer |= u64::from(byte) << (56 - self.have);
            self.have += 8;
        }
    }

    /// The next 16 bits; they stay.
    #[inline(always)]
    pub(super) fn peek(&self) -> u16 {
        (self.buffer >> 48) as u16
    }

    /// Passes over `n` bits, at most 31 since the last refill.
    #[inline(always)]
    pub(super) fn pass(&mut self, n: u32) {
        self.buffer <<= n;
        self.have -= n;
    }

    /// A value of `size` bits, at most 15, as T.81 writes signed numbers (figure F.12).
    #[inline(always)]
    pub(super) fn value(&mut self, size: u8) -> i32 {
        if size == 0 {
            return 0;
        }
        let bits = (self.buffer >> (64 - u32::from(size))) as i32;
        self.pass(u32::from(size));
        if bits < 1 << (size - 1) { bits - (1 << size) + 1 } else { bits }
    }

    /// Goes on behind a restart marker; none where there is no such marker.
    pub(super) fn restart(&mut self) -> Option<()> {
        self.refill_by_byte();
        if self.overran() {
            return None;
        }
        while self.data.get(self.at + 1) == Some(&0xff) {
            self.at += 1;
        }
        match self.data.get(self.at..self.at + 2)? {
            [0xff, 0xd0..=0xd7] => {
                *self = Self { at: self.at + 2, ..Self::new(self.data) };
                Some(())
            }
            _ => None,
        }
    }

    /// Whether bits were read that are not there.
    pub(super) fn overran(&self) -> bool {
        self.padding > self.have
    }
}
