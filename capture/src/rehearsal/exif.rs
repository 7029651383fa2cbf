//! EXIF of a picture: a small TIFF, written by hand (CIPA DC-008-2019).

use super::{body, clock, picture::About};

const BYTE: u16 = 1;
const ASCII: u16 = 2;
const SHORT: u16 = 3;
const LONG: u16 = 4;
const RATIONAL: u16 = 5;
const UNDEFINED: u16 = 7;

/// A directory entry: tag, type, count, value bytes in little-endian order.
pub(super) struct Entry(u16, u16, u32, Vec<u8>);

pub(super) fn ascii(tag: u16, text: &str) -> Entry {
    let bytes = [text.as_bytes(), &[0]].concat();
    Entry(tag, ASCII, bytes.len() as u32, bytes)
}
pub(super) fn shorts(tag: u16, values: &[u16]) -> Entry {
    Entry(tag, SHORT, values.len() as u32, values.iter().flat_map(|v| v.to_le_bytes()).collect())
}
pub(super) fn bytes(tag: u16, values: &[u8]) -> Entry {
    Entry(tag, BYTE, values.len() as u32, values.into())
}
pub(super) fn longs(tag: u16, values: &[u32]) -> Entry {
    Entry(tag, LONG, values.len() as u32, values.iter().flat_map(|v| v.to_le_bytes()).collect())
}
pub(super) fn long(tag: u16, value: u32) -> Entry {
    Entry(tag, LONG, 1, value.to_le_bytes().into())
}
pub(super) fn rationals(tag: u16, values: &[(u32, u32)]) -> Entry {
    let bytes = values.iter().flat_map(|(n, d)| [n.to_le_bytes(), d.to_le_bytes()].concat()).collect();
    Entry(tag, RATIONAL, values.len() as u32, bytes)
}
pub(super) fn undefined(tag: u16, bytes: &[u8]) -> Entry {
    Entry(tag, UNDEFINED, bytes.len() as u32, bytes.into())
}

/// A directory at `offset` of the file: entries, next-directory offset 0, then the values that do not fit.
pub(super) fn directory(mut entries: Vec<Entry>, offset: u32) -> Vec<u8> {
    entries.sort_by_key(|e| e.0);
    let mut out = (entries.len() as u16).to_le_bytes().to_vec();
    let mut values = Vec::new();
    let values_at = offset + directory_table(entries.len());
    for Entry(tag, kind, count, bytes) in entries {
        out.extend_from_slice(&tag.to_le_bytes());
        out.extend_from_slice(&kind.to_le_bytes());
        out.extend_from_slice(&count.to_le_bytes());
        if bytes.len() <= 4 {
            let mut inline = bytes;
            inline.resize(4, 0);
            out.extend_from_slice(&inline);
        } else {
            out.extend_from_slice(&(values_at + values.len() as u32).to_le_bytes());
            values.extend_from_slice(&bytes);
            // Values start at even offsets.
            if values.len() % 2 == 1 {
                values.push(0);
            }
        }
    }
    out.extend_from_slice(&0u32.to_le_bytes());
    out.extend_from_slice(&values);
    out
}

/// Bytes of a directory of `entries` without the values behind it.
fn directory_table(entries: usize) -> u32 {
    2 + 12 * entries as u32 + 4
}

/// The EXIF block of a JPEG, without the `Exif\0\0` in front.
pub(super) fn tiff(about: &About<'_>, size: (u32, u32)) -> Vec<u8> {
    let main = |exif_at| {
        let mut entries = camera(about);
        entries.push(long(0x8769, exif_at));
        entries
    };
    let main_length = directory(main(0), 8).len() as u32;
    let exif_at = 8 + main_length;
    let mut out = b"II\x2a\x00\x08\x00\x00\x00".to_vec();
    out.extend(directory(main(exif_at), 8));
    out.extend(directory(exposure(about, size), exif_at));
    out
}

/// Tags of the main directory that say which camera it was.
pub(super) fn camera(about: &About<'_>) -> Vec<Entry> {
    let (date, _) = clock::exif(about.taken);
    vec![
        ascii(0x010F, "NIKON CORPORATION"),
        ascii(0x0110, "NIKON D5300"),
        shorts(0x0112, &[1]),
        rationals(0x011A, &[(300, 1)]),
        rationals(0x011B, &[(300, 1)]),
        shorts(0x0128, &[2]),
        ascii(0x0131, "Ver.1.03 "),
        ascii(0x0132, &date),
        shorts(0x0213, &[2]),
    ]
}

/// Tags of the EXIF directory: how the picture was taken.
pub(super) fn exposure(about: &About<'_>, (width, height): (u32, u32)) -> Vec<Entry> {
    let s = about.settings;
    let (date, hundredths) = clock::exif(about.taken);
    vec![
        rationals(0x829A, &[exposure_time(s.seconds)]),
        rationals(0x829D, &[((s.f_number * 10.0).round() as u32, 10)]),
        shorts(0x8822, &[1]),
        shorts(0x8827, &[s.iso as u16]),
        shorts(0x8830, &[2]),
        undefined(0x9000, b"0230"),
        ascii(0x9003, &date),
        ascii(0x9004, &date),
        undefined(0x9101, &[1, 2, 3, 0]),
        shorts(0x9207, &[5]),
        shorts(0x9208, &[0]),
        shorts(0x9209, &[16]),
        rationals(0x920A, &[((about.focal_mm * 10.0).round() as u32, 10)]),
        ascii(0x9290, &hundredths),
        ascii(0x9291, &hundredths),
        ascii(0x9292, &hundredths),
        undefined(0xA000, b"0100"),
        shorts(0xA001, &[1]),
        long(0xA002, width),
        long(0xA003, height),
        shorts(0xA217, &[2]),
        shorts(0xA402, &[1]),
        shorts(0xA403, &[0]),
        shorts(0xA405, &[(about.focal_mm * 1.5).round() as u16]),
        ascii(0xA431, body::SERIAL.trim_start_matches('0')),
        rationals(0xA432, &[(180, 10), (550, 10), (35, 10), (56, 10)]),
        ascii(0xA434, "18.0-55.0 mm f/3.5-5.6"),
        ascii(0xA420, &format!("{:032x}", about.number)),
    ]
}

/// Seconds as the body writes them: tenths over the reciprocal up to a second (`10/600` is a sixtieth), then `13/10`.
fn exposure_time(seconds: f64) -> (u32, u32) {
    if seconds <= 1.0 { (10, (10.0 / seconds).round() as u32) } else { ((seconds * 10.0).round() as u32, 10) }
}
