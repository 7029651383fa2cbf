//! NEF: the body's RAW file, a TIFF with an uncompressed colour-filter mosaic of 14 bits (TIFF/EP, ISO 12234-2).

use super::{
    exif::{self, Entry},
    picture::About,
    sensor::{BLACK, Mosaic},
};

const HEADER: u32 = 8;
/// Offset of the directory in Nikon's maker note, behind its name and a TIFF header of its own.
const NOTE_HEADER: &[u8] = b"Nikon\0\x02\x11\0\0II\x2a\0\x08\0\0\0";

/// Writes a NEF around a mosaic, with a JPEG of it to look at.
pub(super) fn encode(mosaic: &Mosaic, preview: &[u8], about: &About<'_>) -> Vec<u8> {
    let (width, height) = mosaic.size;
    // The directories' lengths do not depend on the offsets in them: lay out with zeros, then with the true ones.
    let parts = |at: &Offsets| {
        [
            exif::directory(main(about, at), HEADER),
            exif::directory(shot(about, mosaic), at.exif),
            exif::directory(raw(mosaic, at.mosaic), at.raw),
            exif::directory(look(preview.len() as u32, at.preview), at.look),
        ]
    };
    let lengths = parts(&Offsets::default()).map(|p| p.len() as u32);
    let exif = HEADER + lengths[0];
    let raw = exif + lengths[1];
    let look = raw + lengths[2];
    let preview_at = look + lengths[3];
    let mosaic_at = (preview_at + preview.len() as u32).next_multiple_of(4);
    let at = Offsets { exif, raw, look, preview: preview_at, mosaic: mosaic_at };

    let mut out = Vec::with_capacity(mosaic_at as usize + (width * height * 2) as usize);
    out.extend_from_slice(b"II\x2a\0\x08\0\0\0");
    parts(&at).iter().for_each(|p| out.extend_from_slice(p));
    out.extend_from_slice(preview);
    out.resize(mosaic_at as usize, 0);
    out.extend(mosaic.levels.iter().flat_map(|v| v.to_le_bytes()));
    out
}

#[derive(Default)]
struct Offsets {
    exif: u32,
    raw: u32,
    look: u32,
    preview: u32,
    mosaic: u32,
}

fn main(about: &About<'_>, at: &Offsets) -> Vec<Entry> {
    let mut entries = exif::camera(about);
    entries.extend([
        exif::long(0x00FE, 1),
        exif::longs(0x014A, &[at.look, at.raw]),
        exif::long(0x8769, at.exif),
        exif::bytes(0x9216, &[1, 0, 0, 0]),
    ]);
    entries
}

/// The EXIF directory with the maker note that decoders need: black level, white balance, kind of compression, and which
/// part of the mosaic is the picture: all of it.
fn shot(about: &About<'_>, mosaic: &Mosaic) -> Vec<Entry> {
    let balance = |k: f64| ((k * 256.0).round() as u32, 256);
    let [r, _, b] = mosaic.balance;
    let note = vec![
        exif::undefined(0x0001, b"0211"),
        exif::shorts(0x0002, &[0, about.settings.iso as u16]),
        exif::ascii(0x0004, "RAW    "),
        exif::rationals(0x000C, &[balance(r), balance(b), (256, 256), (256, 256)]),
        exif::shorts(0x003D, &[BLACK; 4]),
        exif::shorts(0x0045, &[0, 0, mosaic.size.0 as u16, mosaic.size.1 as u16]),
        // 2: uncompressed.
        exif::shorts(0x0093, &[2]),
    ];
    let mut bytes = NOTE_HEADER.to_vec();
    bytes.extend(exif::directory(note, 8));
    let mut entries = exif::exposure(about, mosaic.size);
    entries.push(exif::undefined(0x927C, &bytes));
    entries
}

fn raw(mosaic: &Mosaic, at: u32) -> Vec<Entry> {
    let (width, height) = mosaic.size;
    vec![
        exif::long(0x00FE, 0),
        exif::long(0x0100, width),
        exif::long(0x0101, height),
        exif::shorts(0x0102, &[14]),
        exif::shorts(0x0103, &[1]),
        exif::shorts(0x0106, &[32803]),
        exif::long(0x0111, at),
        exif::shorts(0x0115, &[1]),
        exif::long(0x0116, height),
        exif::long(0x0117, width * height * 2),
        exif::shorts(0x011C, &[1]),
        // The filters: red green, green blue.
        exif::shorts(0x828D, &[2, 2]),
        exif::bytes(0x828E, &[0, 1, 1, 2]),
        exif::shorts(0x9217, &[2]),
    ]
}

fn look(length: u32, at: u32) -> Vec<Entry> {
    vec![exif::long(0x00FE, 1), exif::shorts(0x0103, &[6]), exif::long(0x0201, at), exif::long(0x0202, length)]
}
