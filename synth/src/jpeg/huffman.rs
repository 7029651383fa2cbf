//! Huffman codes of a JPEG (ITU-T T.81, annexes C and F.2.2.3), one at a time and, for what is thrown away, several at once.

use super::bits::Bits;

/// Bits of the tables' indices. Larger tables hold more codes a look-up and leave the first-level cache.
const BITS: u32 = 12;
const LEN: usize = 1 << BITS;

/// A table of codes.
pub(super) struct Table {
    /// By the next bits: length of the code and its symbol, `length << 8 | symbol`; 0 where it is longer.
    short: Vec<u16>,
    /// By length less 1: the first 16 bits that are no code of this length or shorter, and what leads to its symbol.
    long: [(u32, i32); 16],
    symbols: Vec<u8>,
    /// By the next bits, read as codes of coefficients with their values: see [`Skip`]. Empty for means.
    skips: Vec<Skip>,
}

/// As many whole codes with their values as a look-up holds.
#[derive(Clone, Copy, Default)]
struct Skip {
    /// Their bits; 0 where not one is whole.
    bits: u8,
    /// Coefficients that they stand for.
    coefficients: u8,
    /// 1 where the last one ends the block.
    ends: u8,
}

impl Table {
    /// From the number of codes of each length from 1 to 16 and their symbols; none where they are no code.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8], coefficients: bool) -> Option<Self> {
        let total: usize = counts.iter().map(|n| usize::from(*n)).sum();
        if total > symbols.len() {
            return None;
        }
        let mut table =
            Self { short: vec![0; LEN], long: [(0, 0); 16], symbols: symbols[..total].to_vec(), skips: Vec::new() };
        let (mut code, mut next) = (0u32, 0usize);
        for length in 1..=16u32 {
            let count = u32::from(counts[length as usize - 1]);
            let first = next as i32 - code as i32;
            for _ in 0..count {
                if code >= 1 << length {
                    return None;
                }
                if length <= BITS {
                    let from = (code << (BITS - length)) as usize;
                    let entry = (length as u16) << 8 | u16::from(symbols[next]);
                    table.short[from..from + (1 << (BITS - length))].fill(entry);
                }
                code += 1;
                next += 1;
            }
            table.long[length as usize - 1] = (code << (16 - length), first);
            code <<= 1;
        }
        if coefficients {
            table.skips = (0..LEN).map(|window| table.skip_of(window)).collect();
        }
        Some(table)
    }

    /// Reads one code; 32 bits are there.
    #[inline(always)]
    pub(super) fn symbol(&self, bits: &mut Bits<'_>) -> Option<u8> {
        let entry = self.short[usize::from(bits.peek() >> (16 - BITS))];
        if entry != 0 {
            bits.pass(u32::from(entry >> 8));
            return Some(entry as u8);
        }
        self.long_symbol(bits)
    }

    #[cold]
    fn long_symbol(&self, bits: &mut Bits<'_>) -> Option<u8> {
        let peek = u32::from(bits.peek());
        let length = (BITS + 1..=16).find(|length| peek < self.long[*length as usize - 1].0)?;
        let place = (peek >> (16 - length)) as i32 + self.long[length as usize - 1].1;
        bits.pass(length);
        self.symbols.get(usize::try_from(place).ok()?).copied()
    }

    /// The whole codes with their values at the start of `window`, up to the block's end.
    fn skip_of(&self, window: usize) -> Skip {
        let mut skip = Skip::default();
        loop {
            let rest = (window << skip.bits) & (LEN - 1);
            let entry = self.short[rest];
            let (length, symbol) = ((entry >> 8) as u8, entry as u8);
            let (run, size) = (symbol >> 4, symbol & 15);
            if entry == 0 || skip.bits + length + size > BITS as u8 || size > 10 {
                return skip;
            }
            let ends = size == 0 && run != 15;
            if !ends && skip.coefficients + run + 1 > 63 {
                return skip;
            }
            skip.bits += length + size;
            if ends {
                return Skip { ends: 1, ..skip };
            }
            skip.coefficients += run + 1;
        }
    }

    /// Passes over a block's coefficients from place `at` on.
    #[inline(always)]
    pub(super) fn skip(&self, bits: &mut Bits<'_>, mut at: usize) -> Option<()> {
        while at < 64 {
            bits.refill();
            let skip = self.skips[usize::from(bits.peek() >> (16 - BITS))];
            let next = at + usize::from(skip.coefficients);
            // A code behind the 64th coefficient is the next block's mean and has another table.
            if skip.bits > 0 && next + usize::from(skip.ends) <= 64 {
                bits.pass(u32::from(skip.bits));
                if skip.ends == 1 {
                    return Some(());
                }
                at = next;
                continue;
            }
            let symbol = self.symbol(bits)?;
            match (symbol >> 4, symbol & 15) {
                (15, 0) => at += 16,
                (_, 0) => return Some(()),
                (run, size @ 1..=10) => {
                    bits.pass(u32::from(size));
                    at += usize::from(run) + 1;
                }
                _ => return None,
            }
        }
        // A run that leads past the block is a fault.
        (at == 64).then_some(())
    }
}
