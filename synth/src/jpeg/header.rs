//! What stands before a JPEG's first scan (ITU-T T.81, annex B.2).

use super::huffman::Table;

/// How the components make a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    Grey,
    Ycc,
    Rgb,
}

/// A component of the picture.
#[derive(Debug)]
pub(super) struct Component {
    id: u8,
    /// Blocks in a row and in a column of a unit of the scan.
    pub(super) across: usize,
    pub(super) down: usize,
    /// Steps in the order of the scan.
    pub(super) quantisation: [u8; 64],
    quantisation_id: usize,
    /// Which tables its codes have.
    pub(super) dc: usize,
    pub(super) ac: usize,
}

/// Everything that decoding the only scan needs.
pub(super) struct Header {
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) components: Vec<Component>,
    pub(super) colour: Colour,
    pub(super) dc: [Option<Table>; 4],
    pub(super) ac: [Option<Table>; 4],
    /// Units between restarts; 0 for none.
    pub(super) restart: usize,
    /// Where the scan's data starts.
    pub(super) scan: usize,
}

impl Header {
    /// None for other kinds of JPEG than the module decodes, and for faulty ones.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut header = Self {
            height: 0,
            width: 0,
            components: Vec::new(),
            colour: Colour::Grey,
            dc: [const { None }; 4],
            ac: [const { None }; 4],
            restart: 0,
            scan: 0,
        };
        let (mut quantisation, mut adobe) = ([None; 4], None);
        let mut at = 2;
        loop {
            let &[0xff, marker] = bytes.get(at..at + 2)? else { return None };
            if marker == 0xff {
                at += 1;
                continue;
            }
            let length = usize::from(u16::from_be_bytes(*bytes.get(at + 2..)?.first_chunk()?));
            let segment = bytes.get(at + 4..at + 2 + length)?;
            at += 2 + length;
            match marker {
                0xdb => read_quantisation(segment, &mut quantisation)?,
                0xc4 => header.read_codes(segment)?,
                0xc0 | 0xc1 => header.read_frame(segment)?,
                0xc2..=0xcf | 0xdc => return None,
                0xdd => header.restart = usize::from(u16::from_be_bytes(*segment.first_chunk()?)),
                0xee if segment.starts_with(b"Adobe") => adobe = Some(*segment.get(11)?),
                0xda => {
                    header.read_scan(segment)?;
                    header.scan = at;
                    for component in &mut header.components {
                        component.quantisation = quantisation[component.quantisation_id]?;
                    }
                    header.colour = header.colour_of(adobe)?;
                    return Some(header);
                }
                _ => {}
            }
        }
    }

    /// Blocks in a row and in a column of a unit of the scan, of the component that has most.
    pub(super) fn blocks_of_unit(&self) -> (usize, usize) {
        let most = |of: fn(&Component) -> usize| self.components.iter().map(of).max().unwrap_or(1);
        (most(|c| c.across), most(|c| c.down))
    }

    fn read_frame(&mut self, segment: &[u8]) -> Option<()> {
        let &[8, h1, h0, w1, w0, count] = segment.first_chunk()? else { return None };
        (self.height, self.width) = (u16::from_be_bytes([h1, h0]).into(), u16::from_be_bytes([w1, w0]).into());
        let single = count == 1;
        if self.height == 0 || self.width == 0 || !matches!(count, 1 | 3) || !self.components.is_empty() {
            return None;
        }
        for part in segment.get(6..6 + 3 * usize::from(count))?.chunks_exact(3) {
            // A scan of one component goes block by block, whatever its factors.
            let factor = |n: u8| if single { 1 } else { usize::from(n) };
            let (across, down) = (factor(part[1] >> 4), factor(part[1] & 15));
            let quantisation_id = usize::from(part[2]);
            if !matches!(across, 1 | 2 | 4) || !matches!(down, 1 | 2 | 4) || quantisation_id > 3 {
                return None;
            }
            let id = part[0];
            self.components.push(Component { id, across, down, quantisation: [0; 64], quantisation_id, dc: 0, ac: 0 });
        }
        Some(())
    }

    fn read_codes(&mut self, mut segment: &[u8]) -> Option<()> {
        while let Some((&class, rest)) = segment.split_first() {
            let (counts, rest): (&[u8; 16], _) = rest.split_first_chunk()?;
            let total: usize = counts.iter().map(|n| usize::from(*n)).sum();
            let (symbols, rest) = rest.split_at_checked(total)?;
            let tables = match class >> 4 {
                0 => &mut self.dc,
                1 => &mut self.ac,
                _ => return None,
            };
            *tables.get_mut(usize::from(class & 15))? = Some(Table::new(counts, symbols, class >> 4 == 1)?);
            segment = rest;
        }
        Some(())
    }

    /// One scan with every component in the frame's order, all coefficients.
    fn read_scan(&mut self, segment: &[u8]) -> Option<()> {
        let (&count, rest) = segment.split_first()?;
        if usize::from(count) != self.components.len() || count == 0 || rest.len() < 2 * usize::from(count) + 3 {
            return None;
        }
        for (component, part) in self.components.iter_mut().zip(rest.chunks_exact(2)) {
            (component.dc, component.ac) = (usize::from(part[1] >> 4), usize::from(part[1] & 15));
            if component.id != part[0] || component.dc > 3 || component.ac > 3 {
                return None;
            }
        }
        (rest[2 * usize::from(count)..] == [0, 63, 0]).then_some(())
    }

    /// As every decoder guesses: Adobe's marker, else the names of the components.
    fn colour_of(&self, adobe: Option<u8>) -> Option<Colour> {
        match (self.components.len(), adobe) {
            (1, _) => Some(Colour::Grey),
            (_, Some(0)) => Some(Colour::Rgb),
            (_, Some(1)) => Some(Colour::Ycc),
            (_, Some(_)) => None,
            (_, None) if self.components.iter().map(|c| c.id).eq(*b"RGB") => Some(Colour::Rgb),
            (_, None) => Some(Colour::Ycc),
        }
    }
}

/// 8-bit tables; others belong to 12-bit pictures.
fn read_quantisation(mut segment: &[u8], tables: &mut [Option<[u8; 64]>; 4]) -> Option<()> {
    while let Some((&name, rest)) = segment.split_first() {
        let (table, rest) = rest.split_first_chunk()?;
        *tables.get_mut(usize::from(name))? = Some(*table);
        segment = rest;
    }
    Some(())
}
