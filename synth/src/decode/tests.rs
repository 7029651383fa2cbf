#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use image::ImageEncoder;
use proptest::prelude::*;

/// A small picture as a JPEG or a PNG.
fn encoded(format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let picture = image::RgbImage::from_fn(24, 17, |x, y| image::Rgb([(x * 9) as u8, (y * 13) as u8, 77]));
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

proptest! {
    // Whatever the bytes, the answer is a picture or a clause: nothing panics.
    #[test]
    fn any_bytes_are_a_picture_or_a_clause(bytes in proptest::collection::vec(any::<u8>(), 0..400), kind in 0..3) {
        let start: &[u8] = [&b""[..], b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"][kind as usize];
        let _ = decode(&[start, &bytes].concat());
    }
    #[test]
    fn any_damage_is_a_picture_or_a_clause(
        jpeg in any::<bool>(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        keep in any::<prop::sample::Index>(),
    ) {
        let mut bytes = encoded(if jpeg { ImageFormat::Jpeg } else { ImageFormat::Png });
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let _ = decode(&bytes);
        let _ = decode(&bytes[..keep.index(bytes.len())]);
    }
}

/// A TIFF directory with nothing but an orientation: what a file's EXIF holds.
fn exif(orientation: u8) -> Vec<u8> {
    [&b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0"[..], &[orientation, 0, 0, 0], &[0; 4]].concat()
}

/// A JPEG with this orientation: EXIF goes into the segment APP1, right after the start.
fn jpeg(picture: &RgbImage, orientation: u8) -> Vec<u8> {
    let mut plain = Cursor::new(Vec::new());
    picture.write_to(&mut plain, ImageFormat::Jpeg).unwrap();
    let exif = [&b"Exif\0\0"[..], &exif(orientation)].concat();
    let length = (exif.len() as u16 + 2).to_be_bytes();
    [&[0xff, 0xd8, 0xff, 0xe1][..], &length, &exif, &plain.into_inner()[2..]].concat()
}

fn webp(picture: &RgbImage, orientation: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::webp::WebPEncoder::new_lossless(&mut bytes);
    encoder.set_exif_metadata(exif(orientation)).unwrap();
    picture.write_with_encoder(encoder).unwrap();
    bytes
}

/// A TIFF without compression, in one strip.
fn tiff(picture: &RgbImage, orientation: u8) -> Vec<u8> {
    let pixels = picture.as_raw();
    let entries: [(u16, u32); 10] = [
        (256, picture.width()),
        (257, picture.height()),
        (258, 8),
        (259, 1),
        (262, 2),
        (273, 8),
        (274, orientation.into()),
        (277, 3),
        (278, picture.height()),
        (279, pixels.len() as u32),
    ];
    let mut bytes = [&b"II*\0"[..], &(8 + pixels.len() as u32).to_le_bytes(), pixels].concat();
    bytes.extend((entries.len() as u16).to_le_bytes());
    for (tag, value) in entries {
        // One LONG each.
        bytes.extend([&tag.to_le_bytes()[..], &4u16.to_le_bytes(), &1u32.to_le_bytes(), &value.to_le_bytes()].concat());
    }
    bytes.extend([0; 4]);
    bytes
}

/// EXIF 2.3, section 4.6.4, tag 274: where row 0 and column 0 of the file lie in the picture, for 1 to 8.
#[test]
fn every_orientation_of_every_format_is_obeyed() {
    // Row 0 is red, column 0 green beside it, the rest black: blocks of 8 for JPEG's sake.
    let stored = RgbImage::from_fn(48, 32, |x, y| match (x < 8, y < 8) {
        (_, true) => image::Rgb([250, 0, 0]),
        (true, false) => image::Rgb([0, 250, 0]),
        _ => image::Rgb([0, 0, 0]),
    });
    // Sides that show row 0 and column 0.
    let sides = [
        "top left",
        "top right",
        "bottom right",
        "bottom left",
        "left top",
        "right top",
        "right bottom",
        "left bottom",
    ];
    for (orientation, sides) in (1u8..).zip(sides) {
        for (format, bytes) in [
            ("JPEG", jpeg(&stored, orientation)),
            ("WebP", webp(&stored, orientation)),
            ("TIFF", tiff(&stored, orientation)),
        ] {
            // Whole, and a JPEG at a part of its size.
            for enough in [false, true] {
                let Decoded { picture, size } = decode_for(&bytes, |_, _| enough).unwrap();
                let turned = orientation > 4;
                assert_eq!(
                    (size.height, size.width),
                    if turned { (48, 32) } else { (32, 48) },
                    "{format} {orientation}"
                );
                let (h, w) = (picture.height, picture.width);
                assert_eq!(h > w, turned, "{format} {orientation}");
                // In the middle of a side, a twelfth of the long side in.
                let inset = h.max(w) / 12;
                let side = |name| {
                    let (y, x) = match name {
                        "top" => (inset, w / 2),
                        "bottom" => (h - 1 - inset, w / 2),
                        "left" => (h / 2, inset),
                        _ => (h / 2, w - 1 - inset),
                    };
                    &picture.data[(y * w + x) * 3..][..3]
                };
                let (row, column) = sides.split_once(' ').unwrap();
                let (red, green) = (side(row), side(column));
                assert!(red[0] > 150 && red[1] < 100, "{format} {orientation} {enough}: {red:?}");
                assert!(green[1] > 150 && green[0] < 100, "{format} {orientation} {enough}: {green:?}");
            }
        }
    }
}
