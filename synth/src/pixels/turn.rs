//! Quarter turns and flips: pixels change their places and nothing else, some rows at a time.

#[cfg(target_arch = "x86_64")]
use super::shuffle;

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
    /// As [`super::Rgb8::turned`], for a picture of `h` x `w`, both at least 1.
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

    /// Rows `y` and after of the turned picture, as many as fit `into`, from the given one's bytes: where they lie in it as
    /// they are, or in `into`.
    pub(crate) fn rows<'a>(self, y: usize, from: &'a [u8], into: &'a mut [u8]) -> &'a [u8] {
        if self.along == 3 && self.down == self.width * 3 {
            return &from[self.place(y, 0)..][..into.len()];
        }
        self.gather(y, from, into);
        into
    }

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
        let (mut square, mut x) = ([[0; _]; BLOCK], 0);
        while x < self.width {
            if count == BLOCK && x + BLOCK <= self.width {
                transpose(std::array::from_fn(|across| column(x + across)), &mut square);
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
pub(super) const BLOCK: usize = 16;

/// Reads a picture once from its beginning to its end, which brings it to a cache: memory answers a quarter turn's leaps far
/// more slowly than a line of reads that it sees coming.
fn bring(picture: &[u8]) {
    std::hint::black_box(picture.iter().step_by(64).fold(0, |sum: u8, byte| sum ^ byte));
}

/// A row from its last pixel to its first.
fn reverse(from: &[u8], to: &mut [u8]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor was just asked.
        return unsafe { shuffle::reverse(from, to) };
    }
    reverse_pixels(from, to);
}

pub(super) fn reverse_pixels(from: &[u8], to: &mut [u8]) {
    to.chunks_exact_mut(3).zip(from.chunks_exact(3).rev()).for_each(|(to, pixel)| to.copy_from_slice(pixel));
}

/// Lines of a block's pixels, and bytes after each that vectors may write to.
pub(super) type Square = [[u8; BLOCK * 3 + 8]; BLOCK];

/// Makes lines of columns: pixel `k` of line `x` is pixel `x` of the square's line `k`.
fn transpose(lines: [&[u8]; BLOCK], square: &mut Square) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor was just asked.
        return unsafe { shuffle::transpose(lines, square) };
    }
    transpose_pixels(lines, square);
}

fn transpose_pixels(lines: [&[u8]; BLOCK], square: &mut Square) {
    for (x, line) in lines.into_iter().enumerate() {
        for (pixel, row) in line.chunks_exact(3).zip(&mut *square) {
            row[x * 3..x * 3 + 3].copy_from_slice(pixel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_processor_gives_the_same(pixels in proptest::collection::vec(any::<[u8; 3]>(), 256..600)) {
            let pixels = pixels.as_flattened();
            let [mut fast, mut plain] = [(); 2].map(|()| vec![0; pixels.len()]);
            reverse(pixels, &mut fast);
            reverse_pixels(pixels, &mut plain);
            prop_assert_eq!(fast, plain);

            let lines = std::array::from_fn(|line| &pixels[line * BLOCK * 3..][..BLOCK * 3]);
            let [mut fast, mut plain] = [[[0; _]; BLOCK]; 2];
            transpose(lines, &mut fast);
            transpose_pixels(lines, &mut plain);
            let row = |square: &Square, k: usize| square[k][..BLOCK * 3].to_vec();
            for k in 0..BLOCK {
                prop_assert_eq!(row(&fast, k), row(&plain, k));
            }
        }
    }
}
