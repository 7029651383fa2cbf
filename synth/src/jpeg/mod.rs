//! Decodes large baseline JPEGs straight to a quarter or an eighth of their size.
//!
//! A photograph of 24 megapixels that becomes 224 x 288 pixels needs of each 8 x 8 block its mean or its lowest
//! frequencies only (ITU-T T.81, annex A.3.3): the others are skipped, several to a table look-up ([`huffman`]), and no
//! full-size picture is held. That is twice as fast as libjpeg-turbo at the same scale and five times as fast as a full
//! decode. All arithmetic is on integers, so the same bits come out on every machine.
//!
//! Sequential Huffman JPEGs of 8 bits with 1 or 3 components in one scan: what cameras write. Everything else, and every
//! fault, gives none, and the full decoder has the word.

mod bits;
mod header;
mod huffman;
mod transform;

use crate::pixels::Rgb8;
use bits::Bits;
use header::{Colour, Component, Header};
use huffman::Table;
use transform::{Block, Shape};

/// Decodes at the smaller of an eighth and a quarter for which `enough(height, width)` holds, as the file stores it:
/// orientation is not applied. None where neither does, or where the full decoder is needed.
pub(crate) fn reduced(bytes: &[u8], enough: impl Fn(usize, usize) -> bool) -> Option<Rgb8> {
    let header = Header::read(bytes)?;
    let side = |n: usize, points: usize| (n * points).div_ceil(8);
    let points = [1, 2].into_iter().find(|p| enough(side(header.height, *p), side(header.width, *p)))?;
    let (height, width) = (side(header.height, points), side(header.width, points));
    let planes = scan(&header, &bytes[header.scan..], points)?;
    let mut picture = Rgb8::black(height, width);
    for (y, row) in picture.data.chunks_exact_mut(width * 3).enumerate() {
        colour(&planes, header.colour, y, row);
    }
    Some(picture)
}

/// One component at the reduced size, padded to whole blocks.
struct Plane {
    stride: usize,
    data: Vec<u8>,
}

/// What decoding a component's blocks needs.
struct Lane<'a> {
    component: &'a Component,
    dc: &'a Table,
    ac: &'a Table,
    shape: Shape,
    /// The mean of the block before, which the next one's is written relative to.
    mean: i32,
}

/// Decodes the scan to a plane a component, each with `points` values along each side of a block of the largest
/// component.
fn scan<'a>(header: &'a Header, data: &[u8], points: usize) -> Option<Vec<Plane>> {
    let (across, down) = header.blocks_of_unit();
    let units = |n: usize, blocks: usize| n.div_ceil(8 * blocks);
    let (columns, rows) = (units(header.width, across), units(header.height, down));
    let lane = |component: &'a Component| -> Option<Lane<'a>> {
        let Component { across: a, down: d, dc, ac, .. } = component;
        let shape = Shape::new(points * (down / d), points * (across / a))?;
        Some(Lane { component, dc: header.dc[*dc].as_ref()?, ac: header.ac[*ac].as_ref()?, shape, mean: 0 })
    };
    let mut lanes = header.components.iter().map(lane).collect::<Option<Vec<_>>>()?;
    let stride = columns * across * points;
    let mut planes: Vec<Plane> =
        lanes.iter().map(|_| Plane { stride, data: vec![0; stride * rows * down * points] }).collect();
    let mut bits = Bits::new(data);
    for unit in 0..rows * columns {
        if header.restart > 0 && unit > 0 && unit % header.restart == 0 {
            bits.restart()?;
            lanes.iter_mut().for_each(|lane| lane.mean = 0);
        }
        let (row, column) = (unit / columns, unit % columns);
        for (lane, plane) in lanes.iter_mut().zip(&mut planes) {
            let (height, width) = (lane.shape.height, lane.shape.width);
            for y in 0..lane.component.down {
                for x in 0..lane.component.across {
                    let block = lane.block(&mut bits)?;
                    let top = (row * lane.component.down + y) * height;
                    let left = (column * lane.component.across + x) * width;
                    lane.shape.write(&block, &mut plane.data[top * stride + left..], stride);
                }
            }
        }
    }
    (!bits.overran()).then_some(planes)
}

impl Lane<'_> {
    /// Decodes the next block as far as its shape needs, and passes over the rest.
    #[inline]
    fn block(&mut self, bits: &mut Bits<'_>) -> Option<Block> {
        let mut block = [0; 16];
        bits.refill();
        let size = self.dc.symbol(bits)?;
        // 8-bit samples have differences of 11 bits and others of 10 (T.81, tables F.1 and F.2).
        if size > 11 {
            return None;
        }
        self.mean = self.mean.wrapping_add(bits.value(size));
        block[0] = transform::dequantised(self.mean, self.component.quantisation[0]);
        let mut at = 1;
        while at <= self.shape.last {
            bits.refill();
            let symbol = self.ac.symbol(bits)?;
            let (run, size) = (usize::from(symbol >> 4), symbol & 15);
            match (run, size) {
                (15, 0) => at += 16,
                (_, 0) => return Some(block),
                (_, 1..=10) => {
                    at += run;
                    let value = bits.value(size);
                    if let Some(place) = self.shape.place(at) {
                        block[place] = transform::dequantised(value, self.component.quantisation[at]);
                    }
                    at += 1;
                }
                _ => return None,
            }
        }
        self.ac.skip(bits, at)?;
        Some(block)
    }
}

/// Writes row `y` of the picture: JFIF's YCbCr (ITU-R BT.601, full range), grey or plain RGB.
fn colour(planes: &[Plane], colour: Colour, y: usize, row: &mut [u8]) {
    let line = |plane: &'_ Plane| y * plane.stride;
    match (colour, planes) {
        (Colour::Ycc, [luma, blue, red]) => {
            let at = line(luma);
            let lines = luma.data[at..].iter().zip(&blue.data[at..]).zip(&red.data[at..]);
            for (pixel, ((l, b), r)) in row.chunks_exact_mut(3).zip(lines) {
                let (l, b, r) = (i32::from(*l) << 16, i32::from(*b) - 128, i32::from(*r) - 128);
                let byte = |v: i32| ((v + (1 << 15)) >> 16).clamp(0, 255) as u8;
                pixel[0] = byte(l + 91_881 * r);
                pixel[1] = byte(l - 22_554 * b - 46_802 * r);
                pixel[2] = byte(l + 116_130 * b);
            }
        }
        _ => {
            for (x, pixel) in row.chunks_exact_mut(3).enumerate() {
                for c in 0..3 {
                    let plane = &planes[c.min(planes.len() - 1)];
                    pixel[c] = plane.data[line(plane) + x];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
