//! Pictures of 8-bit display values in memory.

#[cfg(target_arch = "x86_64")]
mod shuffle;
mod turn;

use manifests::Size;
pub(crate) use turn::Turn;

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
