//! Nikon's RAW files: whether one came whole, how large it is, and the JPEG inside it.
//!
//! A NEF is a TIFF (TIFF 6.0, section 2) whose directories hold a JPEG to look at and the sensor's mosaic (TIFF/EP,
//! ISO 12234-2). Here its structure is followed, not its pixels decoded: every directory, strip and embedded JPEG must
//! lie within the file, so that a file that ends early is found out.

/// A NEF that is whole.
#[derive(Debug, PartialEq)]
pub(crate) struct Nef<'a> {
    /// Columns and rows of the mosaic.
    pub(crate) size: (u32, u32),
    /// The largest JPEG inside: the body's own development.
    pub(crate) preview: Option<&'a [u8]>,
}

/// Directories of one file; more are a loop.
const MOST_DIRECTORIES: usize = 64;
/// TIFF/EP: the picture is a colour-filter mosaic.
const COLOUR_FILTERS: u32 = 32803;
/// TIFF 6.0: the picture is not compressed.
const UNCOMPRESSED: u32 = 1;

/// Follows a NEF's structure.
///
/// # Errors
/// What is missing, in words.
pub(crate) fn read(file: &[u8]) -> Result<Nef<'_>, String> {
    let tiff = Tiff::open(file)?;
    let mut pending = vec![tiff.u32(4)?];
    let (mut seen, mut size, mut preview) = (0, None, None::<&[u8]>);
    while let Some(offset) = pending.pop() {
        seen += 1;
        if seen > MOST_DIRECTORIES {
            return Err("not a whole NEF: its directories go round in a circle".into());
        }
        let directory = tiff.directory(offset)?;
        pending.extend(directory.next.filter(|next| *next != 0));
        pending.extend(directory.values(&tiff, tag::SUB_DIRECTORIES)?);
        let first = |tag| Ok::<_, String>(directory.values(&tiff, tag)?.first().copied());
        if let (Some(at), Some(length)) = (first(tag::JPEG)?, first(tag::JPEG_LENGTH)?) {
            let jpeg = tiff.slice(at, length, "the JPEG inside it")?;
            if preview.is_none_or(|p| p.len() < jpeg.len()) {
                preview = Some(jpeg);
            }
        }
        let strips = directory.values(&tiff, tag::STRIPS)?;
        let lengths = directory.values(&tiff, tag::STRIP_LENGTHS)?;
        if strips.len() != lengths.len() {
            return Err(format!("not a whole NEF: {} strips with {} lengths", strips.len(), lengths.len()));
        }
        for (at, length) in strips.iter().zip(&lengths) {
            tiff.slice(*at, *length, "its picture")?;
        }
        if first(tag::KIND)? != Some(COLOUR_FILTERS) {
            continue;
        }
        let (Some(width), Some(height)) = (first(tag::WIDTH)?, first(tag::HEIGHT)?) else {
            return Err("not a whole NEF: its mosaic has no size".into());
        };
        let bits = first(tag::BITS)?.unwrap_or(0);
        let held: u64 = lengths.iter().map(|l| u64::from(*l)).sum();
        let needed = u64::from(width) * u64::from(height) * u64::from(bits) / 8;
        if held == 0 || (first(tag::COMPRESSION)? == Some(UNCOMPRESSED) && held < needed) {
            return Err(format!("not a whole NEF: a mosaic of {width} x {height} in {held} bytes"));
        }
        size = Some((width, height));
    }
    let size = size.ok_or("not a whole NEF: it holds no mosaic")?;
    Ok(Nef { size, preview })
}

/// Tags of TIFF 6.0, and of its supplements for directories within directories.
mod tag {
    pub(super) const WIDTH: u16 = 0x0100;
    pub(super) const HEIGHT: u16 = 0x0101;
    pub(super) const BITS: u16 = 0x0102;
    pub(super) const COMPRESSION: u16 = 0x0103;
    pub(super) const KIND: u16 = 0x0106;
    pub(super) const STRIPS: u16 = 0x0111;
    pub(super) const STRIP_LENGTHS: u16 = 0x0117;
    pub(super) const SUB_DIRECTORIES: u16 = 0x014A;
    pub(super) const JPEG: u16 = 0x0201;
    pub(super) const JPEG_LENGTH: u16 = 0x0202;
}

/// The bytes of a TIFF, read in its own byte order.
struct Tiff<'a> {
    file: &'a [u8],
    big_endian: bool,
}

/// A directory: its entries, 12 bytes each, and where the next one is.
struct Directory<'a> {
    entries: &'a [u8],
    next: Option<u32>,
}

impl<'a> Tiff<'a> {
    fn open(file: &'a [u8]) -> Result<Self, String> {
        let big_endian = match file.get(..4) {
            Some(b"II\x2a\0") => false,
            Some(b"MM\0\x2a") => true,
            _ => return Err("not a NEF: it does not begin as a TIFF does".into()),
        };
        Ok(Self { file, big_endian })
    }

    fn slice(&self, at: u32, length: u32, what: &str) -> Result<&'a [u8], String> {
        let end = (at as usize).checked_add(length as usize);
        end.and_then(|end| self.file.get(at as usize..end))
            .ok_or_else(|| format!("not a whole NEF: it ends before {what} does"))
    }

    fn u16(&self, at: u32) -> Result<u16, String> {
        let b = self.slice(at, 2, "a directory")?;
        Ok(if self.big_endian { u16::from_be_bytes([b[0], b[1]]) } else { u16::from_le_bytes([b[0], b[1]]) })
    }

    fn u32(&self, at: u32) -> Result<u32, String> {
        let b = self.slice(at, 4, "a directory")?;
        let bytes = [b[0], b[1], b[2], b[3]];
        Ok(if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    fn directory(&self, at: u32) -> Result<Directory<'a>, String> {
        let count = u32::from(self.u16(at)?);
        let entries = self.slice(at.saturating_add(2), 12 * count, "a directory")?;
        // The last directory's pointer to a next one is left out by some writers.
        let next = self.u32(at.saturating_add(2 + 12 * count)).ok();
        Ok(Directory { entries, next })
    }
}

impl Directory<'_> {
    /// The whole numbers of a tag; empty where the directory does not have it.
    fn values(&self, tiff: &Tiff<'_>, tag: u16) -> Result<Vec<u32>, String> {
        for entry in self.entries.chunks_exact(12) {
            let own = Tiff { file: entry, big_endian: tiff.big_endian };
            if own.u16(0)? != tag {
                continue;
            }
            let (count, width) = (own.u32(4)?, if own.u16(2)? == 3 { 2 } else { 4 });
            let length = count.checked_mul(width).ok_or("not a whole NEF: a tag is longer than a file can be")?;
            // Up to four bytes stand in the entry itself.
            let from = if length <= 4 {
                Tiff { file: &entry[8..], ..own }
            } else {
                Tiff { file: tiff.slice(own.u32(8)?, length, "a directory's values")?, ..own }
            };
            let value = |i| if width == 2 { from.u16(2 * i).map(u32::from) } else { from.u32(4 * i) };
            return (0..count).map(value).collect();
        }
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A NEF of 4 x 2 pixels by hand: a directory with a JPEG of 6 bytes, and one below it with the mosaic of 16.
    fn small() -> Vec<u8> {
        let entry = |tag: u16, value: u32| {
            [&tag.to_le_bytes()[..], &4u16.to_le_bytes(), &1u32.to_le_bytes(), &value.to_le_bytes()].concat()
        };
        let directory = |entries: &[Vec<u8>]| {
            [&(entries.len() as u16).to_le_bytes()[..], &entries.concat(), &0u32.to_le_bytes()].concat()
        };
        let (first, second) = (8u32, 8 + 2 + 3 * 12 + 4);
        let data = second + 2 + 7 * 12 + 4;
        let mut file = [&b"II\x2a\0"[..], &first.to_le_bytes()].concat();
        file.extend(directory(&[
            entry(tag::SUB_DIRECTORIES, second),
            entry(tag::JPEG, data),
            entry(tag::JPEG_LENGTH, 6),
        ]));
        file.extend(directory(&[
            entry(tag::WIDTH, 4),
            entry(tag::HEIGHT, 2),
            entry(tag::BITS, 14),
            entry(tag::COMPRESSION, UNCOMPRESSED),
            entry(tag::KIND, COLOUR_FILTERS),
            entry(tag::STRIPS, data + 6),
            entry(tag::STRIP_LENGTHS, 16),
        ]));
        file.extend(b"\xff\xd8..\xff\xd9");
        file.extend([7; 16]);
        file
    }

    #[test]
    fn a_whole_file_has_a_size_and_a_preview_and_no_shorter_one_passes() {
        let file = small();
        assert_eq!(read(&file), Ok(Nef { size: (4, 2), preview: Some(b"\xff\xd8..\xff\xd9") }));
        for length in 0..file.len() {
            assert!(read(&file[..length]).is_err(), "{length} of {} bytes passed", file.len());
        }
    }

    #[test]
    fn a_mosaic_too_small_for_its_size_and_a_circle_are_found_out() {
        let mut file = small();
        // The second directory's first entry is the width.
        file[8 + 2 + 36 + 4 + 2 + 8] = 40;
        assert_eq!(read(&file), Err("not a whole NEF: a mosaic of 40 x 2 in 16 bytes".into()));
        let mut file = small();
        // The first directory's next one is itself.
        file[8 + 2 + 36] = 8;
        assert!(read(&file).is_err_and(|e| e.contains("circle")));
    }

    proptest! {
        #[test]
        fn damage_is_an_error_or_a_picture_and_never_a_panic(at in 0usize..150, byte in any::<u8>()) {
            let mut file = small();
            let at = at % file.len();
            file[at] = byte;
            let _ = read(&file);
        }
    }
}
