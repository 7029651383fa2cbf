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

/// Memory of pictures that nobody needs any more, for the next ones of a thread: new memory is cleared first and lies in no
/// cache.
#[derive(Debug, Default)]
pub(crate) struct Spare(Vec<Vec<u8>>);

impl Spare {
    /// What a sample has at most: its three pictures, and two more where they are asked for.
    const MOST: usize = 5;

    /// A picture that holds anything.
    pub(crate) fn picture(&mut self, height: usize, width: usize) -> Rgb8 {
        let mut data = self.0.pop().unwrap_or_default();
        data.resize(height * width * 3, 0);
        Rgb8 { height, width, data }
    }

    /// Keeps the memory of a picture.
    pub(crate) fn keep(&mut self, picture: Rgb8) {
        if self.0.len() < Self::MOST {
            self.0.push(picture.data);
        }
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
    pub(crate) const BAND: usize = BLOCK;

    /// Rows `y` and after of the turned picture, as many as fit `rows`, from the given one's bytes.
    pub(crate) fn gather(self, y: usize, from: &[u8], rows: &mut [u8]) {
        if self.down == 3 || self.down == 3usize.wrapping_neg() {
            if y == 0 {
                bring(from);
            }
            self.columns(y, from, rows);
            return;
        }
        for (k, row) in rows.chunks_exact_mut(self.width * 3).enumerate() {
            let (a, b) = (self.place(y + k, 0), self.place(y + k, self.width - 1));
            let line = &from[a.min(b)..a.max(b) + 3];
            if a <= b { row.copy_from_slice(line) } else { reverse(line, row) }
        }
    }

    fn place(self, y: usize, x: usize) -> usize {
        self.first.wrapping_add(y.wrapping_mul(self.down)).wrapping_add(x.wrapping_mul(self.along))
    }

    /// Rows of a quarter turn, whose columns are pieces of the given picture's rows.
    fn columns(self, y: usize, from: &[u8], rows: &mut [u8]) {
        let stride = self.width * 3;
        let count = rows.len() / stride;
        let up = self.down != 3;
        let line = |k: usize| if up { count - 1 - k } else { k };
        let column = |x: usize| {
            let (a, b) = (self.place(y, x), self.place(y + count - 1, x));
            &from[a.min(b)..a.max(b) + 3]
        };
        let mut x = 0;
        while x < self.width {
            if count == BLOCK && x + BLOCK <= self.width {
                // A square by itself, where nothing is far away, and then its rows whole.
                let mut square = [[0; BLOCK * 3 + 1]; BLOCK];
                for across in 0..BLOCK {
                    if let Some(pixels) = column(x + across).first_chunk() {
                        (0..BLOCK).for_each(|k| put(&mut square[k], across, four(pixels, k)));
                    }
                }
                for (k, pixels) in square.iter().enumerate() {
                    rows[line(k) * stride + x * 3..][..BLOCK * 3].copy_from_slice(&pixels[..BLOCK * 3]);
                }
                x += BLOCK;
            } else {
                for (k, pixel) in column(x).chunks_exact(3).enumerate() {
                    rows[line(k) * stride + x * 3..][..3].copy_from_slice(pixel);
                }
                x += 1;
            }
        }
    }
}

/// Pixels that are moved at once where there are so many.
const BLOCK: usize = 16;

/// Reads a picture once from its beginning to its end, which brings it to a cache: memory answers a quarter turn's leaps far
/// more slowly than a line of reads that it sees coming.
fn bring(picture: &[u8]) {
    std::hint::black_box(picture.iter().step_by(64).fold(0, |sum: u8, byte| sum ^ byte));
}

/// A row from its last pixel to its first.
fn reverse(from: &[u8], to: &mut [u8]) {
    let (end, blocks) = from.as_rchunks::<{ BLOCK * 3 }>();
    let (whole, rest) = to.as_chunks_mut::<{ BLOCK * 3 }>();
    for (pixels, to) in blocks.iter().rev().zip(whole) {
        (0..BLOCK - 1).for_each(|k| to[k * 3..k * 3 + 4].copy_from_slice(&four(pixels, BLOCK - 1 - k).to_le_bytes()));
        to[BLOCK * 3 - 3..].copy_from_slice(&pixels[..3]);
    }
    rest.chunks_exact_mut(3).zip(end.chunks_exact(3).rev()).for_each(|(to, pixel)| to.copy_from_slice(pixel));
}

/// Pixel `k` of a block, and a fourth byte: a move of four is one instruction, a move of three is several.
#[inline(always)]
fn four(pixels: &[u8; BLOCK * 3], k: usize) -> u32 {
    let at =
        |start: usize| u32::from_le_bytes([pixels[start], pixels[start + 1], pixels[start + 2], pixels[start + 3]]);
    if k < BLOCK - 1 { at(k * 3) } else { at(k * 3 - 1) >> 8 }
}

/// Puts a pixel in its place of a block that is filled from its beginning: the fourth byte is the next pixel's.
#[inline(always)]
fn put(block: &mut [u8; BLOCK * 3 + 1], k: usize, pixel: u32) {
    block[k * 3..k * 3 + 4].copy_from_slice(&pixel.to_le_bytes());
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
