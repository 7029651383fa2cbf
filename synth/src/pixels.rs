//! Pictures of 8-bit display values in memory, and the turns that lose nothing.

use manifests::Size;

/// An RGB picture: rows from the top, 3 bytes a pixel, display (sRGB) values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rgb8 {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// `height * width * 3` bytes.
    pub data: Vec<u8>,
}

impl Rgb8 {
    /// A black picture.
    pub(crate) fn black(height: usize, width: usize) -> Self {
        Self { height, width, data: vec![0; height * width * 3] }
    }

    /// Height and width as the manifests write them.
    ///
    /// Pictures here are at most 65535 pixels wide and high: [`Size`] and the decoder's limits see to it.
    pub fn size(&self) -> Size {
        Size { height: self.height as u32, width: self.width as u32 }
    }

    /// Turned counter-clockwise by `quarters` times 90 degrees, then flipped left to right if asked.
    pub(crate) fn turned(self, quarters: u8, flip: bool) -> Self {
        if quarters.is_multiple_of(4) && !flip {
            return self;
        }
        let turn = Turn::new(self.height, self.width, quarters, flip);
        let mut data = vec![0; self.data.len()];
        for (band, rows) in data.chunks_mut(Turn::BAND * turn.width * 3).enumerate() {
            turn.gather(band * Turn::BAND, &self.data, rows);
        }
        Self { height: turn.height, width: turn.width, data }
    }
}

/// Where the pixels of a turned and flipped picture come from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn {
    /// Rows of the turned picture.
    pub(crate) height: usize,
    /// Columns of the turned picture.
    pub(crate) width: usize,
    first: usize,
    /// From a row's place to the next one's, and from a pixel's; wrapping where it leads back.
    down: usize,
    along: usize,
}

impl Turn {
    /// As [`Rgb8::turned`], for a picture of `h` x `w`, both at least 1.
    pub(crate) fn new(h: usize, w: usize, quarters: u8, flip: bool) -> Self {
        let (height, width) = if quarters % 2 == 1 { (w, h) } else { (h, w) };
        // Where the turned picture's (y, x) lies in the given one; linear in both.
        let place = |y: usize, x: usize| {
            let x = if flip { (width - 1).wrapping_sub(x) } else { x };
            let (y, x) = match quarters % 4 {
                0 => (y, x),
                1 => (x, (w - 1).wrapping_sub(y)),
                2 => ((h - 1).wrapping_sub(y), (w - 1).wrapping_sub(x)),
                _ => ((h - 1).wrapping_sub(x), y),
            };
            y.wrapping_mul(w).wrapping_add(x).wrapping_mul(3)
        };
        let first = place(0, 0);
        Self { height, width, first, down: place(1, 0).wrapping_sub(first), along: place(0, 1).wrapping_sub(first) }
    }

    /// Rows that are best gathered at once: a quarter turn makes columns of them, and what a cache fetches for one row then
    /// serves them all.
    pub(crate) const BAND: usize = 16;

    /// Rows `y` and after of the turned picture, as many as fit `rows`, from the given one's bytes.
    pub(crate) fn gather(self, y: usize, from: &[u8], rows: &mut [u8]) {
        let stride = self.width * 3;
        let place = |y: usize, x: usize| {
            self.first.wrapping_add(y.wrapping_mul(self.down)).wrapping_add(x.wrapping_mul(self.along))
        };
        let count = rows.len() / stride;
        if self.down == 3 || self.down == 3usize.wrapping_neg() {
            if y == 0 {
                bring(from);
            }
            let mut lines: Vec<&mut [u8]> = rows.chunks_exact_mut(stride).collect();
            for x in 0..self.width {
                let (a, b) = (place(y, x), place(y + count - 1, x));
                // With one byte more where there is one, so that pixels move four bytes at a time.
                let column = &from[a.min(b)..from.len().min(a.max(b) + 4)];
                for (k, line) in lines.iter_mut().enumerate() {
                    let pixel = if a <= b { k } else { count - 1 - k };
                    put(line, x * 3, column, pixel * 3);
                }
            }
            return;
        }
        for (k, row) in rows.chunks_exact_mut(stride).enumerate() {
            let (a, b) = (place(y + k, 0), place(y + k, self.width - 1));
            if a <= b {
                row.copy_from_slice(&from[a..b + 3]);
            } else {
                let line = &from[b..from.len().min(a + 4)];
                (0..self.width).for_each(|x| put(row, x * 3, line, (self.width - 1 - x) * 3));
            }
        }
    }
}

/// Reads a picture once from its beginning to its end, which brings it to a cache: memory answers a quarter turn's leaps far
/// more slowly than a line of reads that it sees coming.
fn bring(picture: &[u8]) {
    std::hint::black_box(picture.iter().step_by(64).fold(0, |sum: u8, byte| sum ^ byte));
}

/// Copies the pixel at `here` of `from` to `there` of `to`. Where both have room it is one move of four bytes: the one too
/// many is the next pixel's, which is put later.
#[inline(always)]
fn put(to: &mut [u8], there: usize, from: &[u8], here: usize) {
    // Arrays, whose lengths are known: a call for four bytes would take longer than the bytes.
    let (to, from) = (&mut to[there..], &from[here..]);
    if let (Some(to), Some(from)) = (to.first_chunk_mut::<4>(), from.first_chunk::<4>()) {
        *to = *from;
    } else {
        to[..3].copy_from_slice(&from[..3]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Two rows, three columns, told apart by their first byte.
    fn small() -> Rgb8 {
        Rgb8 { height: 2, width: 3, data: (1..=6).flat_map(|v| [v, 0, 0]).collect() }
    }
    fn firsts(p: &Rgb8) -> Vec<u8> {
        p.data.iter().step_by(3).copied().collect()
    }

    #[test]
    fn a_quarter_turn_is_counter_clockwise() {
        let turned = small().turned(1, false);
        assert_eq!((turned.height, turned.width), (3, 2));
        assert_eq!(firsts(&turned), [3, 6, 2, 5, 1, 4]);
        assert_eq!(firsts(&small().turned(3, false)), [4, 1, 5, 2, 6, 3]);
        assert_eq!(firsts(&small().turned(2, false)), [6, 5, 4, 3, 2, 1]);
    }

    #[test]
    fn the_flip_comes_after_the_turn() {
        assert_eq!(firsts(&small().turned(1, true)), [6, 3, 5, 2, 4, 1]);
    }

    proptest! {
        #[test]
        fn bands_of_any_picture_are_what_single_pixels_are(
            (height, width) in (1usize..40, 1usize..40),
            quarters in 0u8..4,
            flip in any::<bool>(),
        ) {
            let picture = Rgb8 { height, width, data: (0..height * width * 3).map(|v| (v % 251) as u8).collect() };
            let turned = picture.clone().turned(quarters, flip);
            for y in 0..turned.height {
                for x in 0..turned.width {
                    let u = if flip { turned.width - 1 - x } else { x };
                    let (row, column) = match quarters {
                        0 => (y, u),
                        1 => (u, width - 1 - y),
                        2 => (height - 1 - y, width - 1 - u),
                        _ => (height - 1 - u, y),
                    };
                    let pixel = |p: &Rgb8, y: usize, x: usize| p.data[(y * p.width + x) * 3..][..3].to_vec();
                    prop_assert_eq!(pixel(&turned, y, x), pixel(&picture, row, column));
                }
            }
        }

        #[test]
        fn turns_add_up(a in 0u8..4, b in 0u8..4) {
            prop_assert_eq!(small().turned(a, false).turned(b, false), small().turned(a + b, false));
        }
    }
}
