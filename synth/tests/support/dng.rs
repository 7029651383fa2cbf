//! DNG files written by hand (DNG specification 1.7), around light that is known.

/// What a file is made of.
pub(crate) struct Dng {
    /// Columns and rows, even.
    pub(crate) size: (u32, u32),
    pub(crate) orientation: u16,
    /// Whether it holds three values a pixel instead of a mosaic.
    pub(crate) linear: bool,
    pub(crate) big_endian: bool,
}

pub(crate) const BLACK: u16 = 512;
pub(crate) const WHITE: u16 = 16_000;
/// The D5300's for D65 (Adobe), in ten-thousandths, and a neutral colour unlike daylight's.
const MATRIX: [i32; 9] = [6988, -1384, -714, -5631, 13410, 2447, -1485, 2204, 7318];
pub(crate) const NEUTRAL: [f64; 3] = [0.5, 1.0, 0.625];
const SRGB_TO_XYZ: [[f64; 3]; 3] =
    [[0.412_453, 0.357_580, 0.180_423], [0.212_671, 0.715_160, 0.072_169], [0.019_334, 0.119_193, 0.950_227]];

/// What the sensor sees of linear sRGB: 1 is saturation.
fn seen(light: [f64; 3]) -> [f64; 3] {
    std::array::from_fn(|c| {
        let row: [f64; 3] =
            std::array::from_fn(|j| (0..3).map(|k| f64::from(MATRIX[c * 3 + k]) / 10_000.0 * SRGB_TO_XYZ[k][j]).sum());
        let white: f64 = row.iter().sum();
        NEUTRAL[c] * (0..3).map(|j| row[j] / white * light[j]).sum::<f64>()
    })
}

impl Dng {
    pub(crate) fn mosaic(width: u32, height: u32) -> Self {
        Self { size: (width, height), orientation: 1, linear: false, big_endian: false }
    }

    /// The file for `light(row, column)` in linear sRGB, by cells of 2 x 2 pixels.
    pub(crate) fn bytes(&self, light: impl Fn(u32, u32) -> [f64; 3]) -> Vec<u8> {
        self.sites(|y, x| light(y / 2, x / 2))
    }

    /// The file for `light(row, column)` in linear sRGB, by pixels.
    pub(crate) fn sites(&self, light: impl Fn(u32, u32) -> [f64; 3]) -> Vec<u8> {
        let (width, height) = self.size;
        let mut levels = Vec::new();
        for y in 0..height {
            for x in 0..width {
                let colour = seen(light(y, x));
                let level = |c: usize| {
                    let level = f64::from(BLACK) + colour[c] * f64::from(WHITE - BLACK);
                    level.round().clamp(0.0, f64::from(WHITE)) as u16
                };
                // Red green, green blue.
                if self.linear {
                    levels.extend([0, 1, 2].map(level))
                } else {
                    levels.push(level((x % 2 + y % 2) as usize))
                }
            }
        }
        let samples = if self.linear { 3 } else { 1 };
        let (short, long) = (|v: u16| self.short(v), |v: u32| self.long(v));
        let shorts = |values: &[u16]| values.iter().flat_map(|v| short(*v)).collect::<Vec<u8>>();
        let rationals = |values: &[(i32, i32)]| {
            values.iter().flat_map(|(n, d)| [long(*n as u32), long(*d as u32)].concat()).collect::<Vec<u8>>()
        };
        let neutral = NEUTRAL.map(|v| ((v * 1000.0) as i32, 1000));
        let mut entries: Vec<(u16, u16, Vec<u8>)> = vec![
            (0x00FE, 4, long(0).to_vec()),
            (0x0100, 4, long(width).to_vec()),
            (0x0101, 4, long(height).to_vec()),
            (0x0102, 3, shorts(&vec![16; samples])),
            (0x0103, 3, shorts(&[1])),
            (0x0106, 3, shorts(&[if self.linear { 34892 } else { 32803 }])),
            (0x010F, 2, b"Nobody\0".to_vec()),
            (0x0110, 2, b"Nothing\0".to_vec()),
            (0x0111, 4, long(0).to_vec()),
            (0x0112, 3, shorts(&[self.orientation])),
            (0x0115, 3, shorts(&[samples as u16])),
            (0x0116, 4, long(height).to_vec()),
            (0x0117, 4, long(levels.len() as u32 * 2).to_vec()),
            (0x011C, 3, shorts(&[1])),
            (0xC612, 1, vec![1, 4, 0, 0]),
            (0xC61A, 3, shorts(&vec![BLACK; samples])),
            (0xC61D, 4, (0..samples).flat_map(|_| long(u32::from(WHITE))).collect()),
            (0xC621, 10, rationals(&MATRIX.map(|v| (v, 10_000)))),
            (0xC628, 5, rationals(&neutral)),
            (0xC65A, 3, shorts(&[21])),
        ];
        if !self.linear {
            entries.extend([(0x828D, 3, shorts(&[2, 2])), (0x828E, 1, vec![0, 1, 1, 2])]);
            entries.extend([(0xC616, 1, vec![0, 1, 2]), (0xC619, 3, shorts(&[1, 1]))]);
        }
        entries.sort_by_key(|e| e.0);
        self.file(entries, &levels)
    }

    /// Header, directory, the values that do not fit in it, and the picture, whose place is filled in.
    fn file(&self, entries: Vec<(u16, u16, Vec<u8>)>, levels: &[u16]) -> Vec<u8> {
        let values_at = 8 + 2 + 12 * entries.len() + 4;
        let padded = |n: usize| n.next_multiple_of(4);
        let outside: usize = entries.iter().map(|e| if e.2.len() > 4 { padded(e.2.len()) } else { 0 }).sum();
        let picture_at = (values_at + outside) as u32;
        let (mut table, mut values) = (Vec::new(), Vec::new());
        for (tag, kind, mut bytes) in entries {
            if tag == 0x0111 {
                bytes = self.long(picture_at).to_vec();
            }
            let each = [1, 1, 2, 4, 8, 1, 1, 2, 4, 8][usize::from(kind) - 1];
            table.extend([self.short(tag), self.short(kind)].concat());
            table.extend(self.long((bytes.len() / each) as u32));
            if bytes.len() <= 4 {
                bytes.resize(4, 0);
                table.extend(bytes);
            } else {
                table.extend(self.long((values_at + values.len()) as u32));
                bytes.resize(padded(bytes.len()), 0);
                values.extend(bytes);
            }
        }
        let mut file = if self.big_endian { b"MM\0\x2a".to_vec() } else { b"II\x2a\0".to_vec() };
        file.extend(self.long(8));
        file.extend(self.short((table.len() / 12) as u16));
        file.extend(table);
        file.extend(self.long(0));
        file.extend(values);
        file.extend(levels.iter().flat_map(|v| self.short(*v)));
        file
    }

    fn short(&self, v: u16) -> [u8; 2] {
        if self.big_endian { v.to_be_bytes() } else { v.to_le_bytes() }
    }
    fn long(&self, v: u32) -> [u8; 4] {
        if self.big_endian { v.to_be_bytes() } else { v.to_le_bytes() }
    }
}
