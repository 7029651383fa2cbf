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

    fn pixel(&self, y: usize, x: usize) -> [u8; 3] {
        let at = (y * self.width + x) * 3;
        [self.data[at], self.data[at + 1], self.data[at + 2]]
    }

    /// Turned counter-clockwise by `quarters` times 90 degrees, then flipped left to right if asked.
    pub(crate) fn turned(&self, quarters: u8, flip: bool) -> Self {
        let (h, w) = (self.height, self.width);
        let quarters = quarters % 4;
        if quarters == 0 && !flip {
            return self.clone();
        }
        let (height, width) = if quarters % 2 == 1 { (w, h) } else { (h, w) };
        let mut data = Vec::with_capacity(height * width * 3);
        for y in 0..height {
            for column in 0..width {
                let x = if flip { width - 1 - column } else { column };
                // Where the turned picture's (y, x) lies in this one.
                let (from_y, from_x) = match quarters {
                    0 => (y, x),
                    1 => (x, w - 1 - y),
                    2 => (h - 1 - y, w - 1 - x),
                    _ => (h - 1 - x, y),
                };
                data.extend_from_slice(&self.pixel(from_y, from_x));
            }
        }
        Self { height, width, data }
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
        fn turns_add_up(a in 0u8..4, b in 0u8..4) {
            prop_assert_eq!(small().turned(a, false).turned(b, false), small().turned(a + b, false));
        }
    }
}
