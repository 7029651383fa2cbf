//! The directories of a TIFF (TIFF 6.0, section 2), followed before a decoder takes memory for what they claim.

/// Most pixels of a picture or a tile, as for other formats.
const MAX_PIXELS: u64 = 256_000_000;
/// Directories of one file; more are a loop.
const MOST: usize = 64;

/// TIFF 6.0, TIFF/EP (ISO 12234-2) and DNG 1.7.
mod tag {
    pub(super) const WIDTH: u16 = 0x0100;
    pub(super) const HEIGHT: u16 = 0x0101;
    pub(super) const STRIPS: u16 = 0x0111;
    pub(super) const ORIENTATION: u16 = 0x0112;
    pub(super) const STRIP_LENGTHS: u16 = 0x0117;
    pub(super) const TILE_WIDTH: u16 = 0x0142;
    pub(super) const TILE_HEIGHT: u16 = 0x0143;
    pub(super) const TILES: u16 = 0x0144;
    pub(super) const TILE_LENGTHS: u16 = 0x0145;
    pub(super) const SUB_DIRECTORIES: u16 = 0x014A;
    pub(super) const TIFF_EP: u16 = 0x9216;
    pub(super) const DNG_VERSION: u16 = 0xC612;
}

/// Whether a file is a RAW photograph and not an ordinary TIFF: its first directory has TIFF/EP's or DNG's version.
pub(crate) fn is_raw(file: &[u8]) -> bool {
    let versions = [tag::TIFF_EP, tag::DNG_VERSION];
    first(file).is_some_and(|(tiff, at)| {
        tiff.directory(at).is_ok_and(|d| d.entries(tiff.big_endian).any(|(tag, ..)| versions.contains(&tag)))
    })
}

/// EXIF's orientation, 1 to 8.
pub(super) fn orientation(file: &[u8]) -> Option<u16> {
    let (tiff, at) = first(file)?;
    let values = tiff.directory(at).ok()?.values(&tiff, tag::ORIENTATION).ok()?;
    values.first().and_then(|v| u16::try_from(*v).ok()).filter(|v| (1..=8).contains(v))
}

/// Refuses what claims more than a photograph has, or ends before its picture does.
pub(super) fn check(file: &[u8]) -> Result<(), String> {
    let (tiff, at) = first(file).ok_or("is no RAW photograph, whatever its name says")?;
    let mut pending = vec![at];
    let mut seen = 0;
    while let Some(at) = pending.pop() {
        seen += 1;
        if seen > MOST {
            return Err("cannot be decoded (its directories go round in a circle)".into());
        }
        let directory = tiff.directory(at)?;
        for (_, kind, count, _) in directory.entries(tiff.big_endian) {
            // Bytes of TIFF's types 1 to 12.
            let each = [1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8].get(usize::from(kind).wrapping_sub(1)).copied();
            if u64::from(count) * each.unwrap_or(1) > file.len() as u64 {
                return Err("is truncated: a value is longer than the file".into());
            }
        }
        let values = |tag| directory.values(&tiff, tag);
        for (width, height) in [(tag::WIDTH, tag::HEIGHT), (tag::TILE_WIDTH, tag::TILE_HEIGHT)] {
            let side = |tag| Ok::<_, String>(u64::from(values(tag)?.first().copied().unwrap_or(0)));
            let (width, height) = (side(width)?, side(height)?);
            if width.saturating_mul(height) > MAX_PIXELS {
                let limit = MAX_PIXELS / 1_000_000;
                return Err(format!("claims {width} x {height} pixels, above the limit of {limit} million"));
            }
        }
        for (starts, lengths) in [(tag::STRIPS, tag::STRIP_LENGTHS), (tag::TILES, tag::TILE_LENGTHS)] {
            for (start, length) in values(starts)?.into_iter().zip(values(lengths)?) {
                tiff.slice(start, length).map_err(|_| "is truncated: its picture ends behind the file")?;
            }
        }
        pending.extend(directory.next.filter(|next| *next != 0));
        pending.extend(values(tag::SUB_DIRECTORIES)?);
    }
    Ok(())
}

/// A TIFF and where its first directory lies.
fn first(file: &[u8]) -> Option<(Tiff<'_>, u32)> {
    let big_endian = match file.get(..4)? {
        b"II\x2a\0" => false,
        b"MM\0\x2a" => true,
        _ => return None,
    };
    let tiff = Tiff { file, big_endian };
    let at = tiff.u32(4).ok()?;
    Some((tiff, at))
}

struct Tiff<'a> {
    file: &'a [u8],
    big_endian: bool,
}

struct Directory<'a> {
    /// 12 bytes each.
    table: &'a [u8],
    next: Option<u32>,
}

impl<'a> Tiff<'a> {
    fn slice(&self, at: u32, length: u32) -> Result<&'a [u8], String> {
        let (at, length) = (at as usize, length as usize);
        at.checked_add(length)
            .and_then(|end| self.file.get(at..end))
            .ok_or_else(|| "is truncated: a directory ends behind the file".to_owned())
    }

    fn u32(&self, at: u32) -> Result<u32, String> {
        Ok(number(self.slice(at, 4)?, self.big_endian))
    }

    fn directory(&self, at: u32) -> Result<Directory<'a>, String> {
        let count = number(self.slice(at, 2)?, self.big_endian);
        let table = self.slice(at.saturating_add(2), 12 * count)?;
        // Some writers leave the last directory's pointer out.
        let next = self.u32(at.saturating_add(2 + 12 * count)).ok();
        Ok(Directory { table, next })
    }
}

impl<'a> Directory<'a> {
    /// Tag, type, count and value field of each entry.
    fn entries(&self, big_endian: bool) -> impl Iterator<Item = (u16, u16, u32, &'a [u8])> {
        let short = move |bytes: &[u8]| number(bytes, big_endian) as u16;
        self.table
            .chunks_exact(12)
            .map(move |e| (short(&e[..2]), short(&e[2..4]), number(&e[4..8], big_endian), &e[8..12]))
    }

    /// The whole numbers of a tag; empty where the directory does not have it.
    fn values(&self, tiff: &Tiff<'_>, wanted: u16) -> Result<Vec<u32>, String> {
        let Some((_, kind, count, field)) = self.entries(tiff.big_endian).find(|(tag, ..)| *tag == wanted) else {
            return Ok(Vec::new());
        };
        let width = if kind == 3 { 2 } else { 4 };
        let length = count.checked_mul(width).ok_or("is truncated: a value is longer than the file")?;
        // Up to four bytes stand in the entry itself.
        let bytes =
            if length <= 4 { &field[..length as usize] } else { tiff.slice(number(field, tiff.big_endian), length)? };
        Ok(bytes.chunks_exact(width as usize).map(|b| number(b, tiff.big_endian)).collect())
    }
}

/// A number of two or four bytes.
fn number(bytes: &[u8], big_endian: bool) -> u32 {
    let step = |value: u32, byte: &u8| value << 8 | u32::from(*byte);
    if big_endian { bytes.iter().fold(0, step) } else { bytes.iter().rev().fold(0, step) }
}
