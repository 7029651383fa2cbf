//! RAW photographs (NEF, DNG) to linear light.
//!
//! A photosite's level, less the black level, over the saturation level less the black level, is proportional to the
//! light that fell on it. Its colour is made that of linear sRGB by the white balance that the camera noted and the
//! camera's colour matrix, both as in the DNG specification 1.7, chapter 6 (mapping camera colour space to XYZ), with
//! rows normalised so that white stays white. Where less than the whole size is enough, cells of 2 x 2 photosites and their
//! multiples are averaged in linear light: a cell holds every colour, so nothing is interpolated. At the whole size the
//! missing colours are, by `demosaic.rs`.

#[cfg(feature = "raw")]
mod decoder;
#[cfg(feature = "raw")]
mod demosaic;
#[cfg_attr(not(feature = "raw"), expect(dead_code, reason = "without a decoder nobody asks for more than `is_raw`"))]
mod directories;

pub(crate) use directories::is_raw;

/// A photograph in linear light, upright.
#[derive(Debug, Clone, PartialEq)]
pub struct Linear {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// `height * width * 3` values: rows from the top; red, green and blue of linear sRGB, 0 to 1. 1 is where the first
    /// colour of a white surface saturates the sensor.
    pub data: Vec<f32>,
    /// Rows and columns of the whole photograph, of which this may be all, a half, a quarter or an eighth.
    pub whole: (usize, usize),
}

/// Decodes a NEF or DNG at an eighth, a quarter or half of its size if `enough(short side, long side)` holds there, the
/// smallest first; else at its whole size.
///
/// # Errors
/// A clause without the file's name: `is truncated: its picture ends behind the file`.
#[cfg(feature = "raw")]
pub fn decode(bytes: &[u8], enough: impl Fn(usize, usize) -> bool) -> Result<Linear, String> {
    directories::check(bytes)?;
    let mosaic = decoder::mosaic(bytes)?;
    let (height, width) = (mosaic.rows.len(), mosaic.columns.len());
    let fits = |cell: usize| {
        let (h, w) = (height / cell, width / cell);
        h > 0 && w > 0 && enough(h.min(w), h.max(w))
    };
    if height < 2 || width < 2 {
        return Err(format!("is a RAW photograph of {width} x {height}: too small"));
    }
    let cell = [8, 4, 2].into_iter().find(|cell| fits(*cell)).unwrap_or(1);
    let light = if cell == 1 && mosaic.samples == 1 { mosaic.interpolated() } else { mosaic.reduced(cell) };
    Ok(light.turned(mosaic.orientation))
}

/// As with a decoder.
///
/// # Errors
/// Always: this build has none.
#[cfg(not(feature = "raw"))]
pub fn decode(_: &[u8], _: impl Fn(usize, usize) -> bool) -> Result<Linear, String> {
    Err("is a RAW photograph, and this program was built without the feature `raw`".into())
}

/// A sensor's picture before it is developed.
#[cfg(feature = "raw")]
struct Mosaic {
    /// Photosites in a row of the whole sensor, those without light included.
    stride: usize,
    /// Values for each pixel: 1 behind colour filters, 3 in a file that is linear already.
    samples: usize,
    data: Samples,
    /// The part that is the picture; even bounds behind colour filters.
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
    /// Colour (0 red, 1 green, 2 blue) of each place of a cell of 2 x 2, by row; or of each sample.
    colours: [usize; 4],
    /// Levels of no light and of saturation, by the same places.
    black: [f32; 4],
    white: [f32; 4],
    /// Factors that make the colours of white equal.
    balance: [f32; 3],
    /// From balanced camera colours to linear sRGB; rows sum to 1.
    to_srgb: [[f32; 3]; 3],
    /// EXIF's, 1 to 8.
    orientation: u16,
}

#[cfg(feature = "raw")]
enum Samples {
    Integer(Vec<u16>),
    Float(Vec<f32>),
}

#[cfg(feature = "raw")]
impl Mosaic {
    /// Every photosite with the colours it did not see, developed.
    fn interpolated(&self) -> Linear {
        let (height, width) = (self.rows.len(), self.columns.len());
        let colour = |y: usize, x: usize| self.colours[y % 2 * 2 + x % 2];
        let read = |y: usize, row: &mut [f32]| {
            let start = (self.rows.start + y) * self.stride + self.columns.start;
            for (x, value) in row.iter_mut().enumerate() {
                let place = y % 2 * 2 + x % 2;
                let light = (self.level(start + x) - self.black[place]) / self.range(place);
                *value = (light * self.balance[colour(y, x)]).clamp(0.0, 1.0);
            }
        };
        let mut data = Vec::with_capacity(height * width * 3);
        demosaic::demosaic((height, width), colour, read, |balanced| data.extend(self.to_srgb(balanced)));
        Linear { height, width, data, whole: (height, width) }
    }

    fn level(&self, at: usize) -> f32 {
        match &self.data {
            Samples::Integer(levels) => f32::from(levels[at]),
            Samples::Float(levels) => levels[at],
        }
    }

    /// From no light to saturation.
    fn range(&self, place: usize) -> f32 {
        (self.white[place] - self.black[place]).max(1e-6)
    }

    /// Means over cells of `cell` x `cell` pixels, developed. `cell` is even behind colour filters.
    fn reduced(&self, cell: usize) -> Linear {
        let (height, width) = (self.rows.len() / cell, self.columns.len() / cell);
        let mut data = Vec::with_capacity(height * width * 3);
        for y in 0..height {
            for x in 0..width {
                let (top, left) = (self.rows.start + y * cell, self.columns.start + x * cell);
                data.extend(self.develop(self.mean(top, left, cell)));
            }
        }
        Linear { height, width, data, whole: (self.rows.len(), self.columns.len()) }
    }

    /// The mean light of each colour over a cell, 1 at saturation.
    fn mean(&self, top: usize, left: usize, cell: usize) -> [f32; 3] {
        let sum = |place: usize| -> f32 {
            let (rows, columns, step) =
                if self.samples == 1 { (top + place / 2, left + place % 2, 2) } else { (top, left, 1) };
            let channel = if self.samples == 1 { 0 } else { place };
            let mut sum = 0.0f32;
            for row in (rows..top + cell).step_by(step) {
                for column in (columns..left + cell).step_by(step) {
                    let at = (row * self.stride + column) * self.samples + channel;
                    sum += self.level(at);
                }
            }
            let each = if self.samples == 1 { cell * cell / 4 } else { cell * cell };
            (sum / each as f32 - self.black[place]) / self.range(place)
        };
        let places = if self.samples == 1 { 4 } else { 3 };
        let (mut light, mut count) = ([0.0f32; 3], [0.0f32; 3]);
        for place in 0..places {
            light[self.colours[place]] += sum(place);
            count[self.colours[place]] += 1.0;
        }
        [0, 1, 2].map(|c| light[c] / count[c].max(1.0))
    }

    /// Camera colours to linear sRGB.
    fn develop(&self, light: [f32; 3]) -> [f32; 3] {
        self.to_srgb(std::array::from_fn(|c| light[c] * self.balance[c]))
    }

    /// Balanced camera colours to linear sRGB. A colour is cut where white saturates, so that what is too bright comes out
    /// white.
    fn to_srgb(&self, balanced: [f32; 3]) -> [f32; 3] {
        let balanced = balanced.map(|v| v.clamp(0.0, 1.0));
        self.to_srgb.map(|row| (0..3).map(|c| row[c] * balanced[c]).sum::<f32>().clamp(0.0, 1.0))
    }
}

impl Linear {
    /// Upright, from EXIF's orientation (CIPA DC-008-2019, tag 0x0112).
    #[cfg(feature = "raw")]
    fn turned(self, orientation: u16) -> Self {
        let (h, w) = (self.height, self.width);
        let (height, width) = if (5..=8).contains(&orientation) { (w, h) } else { (h, w) };
        // Where a pixel of the upright picture lies in the sensor's.
        let place = |y: usize, x: usize| match orientation {
            2 => (y, w - 1 - x),
            3 => (h - 1 - y, w - 1 - x),
            4 => (h - 1 - y, x),
            5 => (x, y),
            6 => (h - 1 - x, y),
            7 => (h - 1 - x, w - 1 - y),
            8 => (x, w - 1 - y),
            _ => (y, x),
        };
        if !(2..=8).contains(&orientation) {
            return self;
        }
        let mut data = Vec::with_capacity(self.data.len());
        for y in 0..height {
            for x in 0..width {
                let (row, column) = place(y, x);
                data.extend_from_slice(&self.data[(row * w + column) * 3..][..3]);
            }
        }
        let whole = if (5..=8).contains(&orientation) { (self.whole.1, self.whole.0) } else { self.whole };
        Self { height, width, data, whole }
    }
}
