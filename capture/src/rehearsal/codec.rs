//! PTP data sets: little-endian integers, counted UTF-16 strings and counted arrays (PIMA 15740:2000, clause 5.3).

/// Builds a data set.
#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn u8(&mut self, v: u8) -> &mut Self {
        self.bytes(&[v])
    }
    pub(super) fn u16(&mut self, v: u16) -> &mut Self {
        self.bytes(&v.to_le_bytes())
    }
    pub(super) fn u32(&mut self, v: u32) -> &mut Self {
        self.bytes(&v.to_le_bytes())
    }
    pub(super) fn u64(&mut self, v: u64) -> &mut Self {
        self.bytes(&v.to_le_bytes())
    }
    pub(super) fn bytes(&mut self, v: &[u8]) -> &mut Self {
        self.0.extend_from_slice(v);
        self
    }
    /// A string: number of UTF-16 units with the final zero, then the units. Empty is one zero byte.
    pub(super) fn string(&mut self, v: &str) -> &mut Self {
        let mut units: Vec<u16> = v.encode_utf16().take(254).collect();
        if units.is_empty() {
            return self.u8(0);
        }
        units.push(0);
        // At most 255 units, by the `take` above.
        self.u8(units.len() as u8);
        units.iter().for_each(|u| {
            self.u16(*u);
        });
        self
    }
    pub(super) fn array16(&mut self, v: &[u16]) -> &mut Self {
        self.u32(v.len() as u32);
        v.iter().for_each(|x| {
            self.u16(*x);
        });
        self
    }
    pub(super) fn array32(&mut self, v: &[u32]) -> &mut Self {
        self.u32(v.len() as u32);
        v.iter().for_each(|x| {
            self.u32(*x);
        });
        self
    }
    pub(super) fn done(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

/// Takes a data set apart. Every method answers none when the bytes run out.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }
    pub(super) fn u8(&mut self) -> Option<u8> {
        self.take::<1>().map(|b| b[0])
    }
    pub(super) fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }
    pub(super) fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }
    pub(super) fn string(&mut self) -> Option<String> {
        let count = self.u8()?;
        let units: Option<Vec<u16>> = (0..count).map(|_| self.u16()).collect();
        let mut units = units?;
        if units.last() == Some(&0) {
            units.pop();
        }
        String::from_utf16(&units).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn strings_come_back(text in "\\PC{0,80}") {
            let bytes = Writer::default().string(&text).done();
            prop_assert_eq!(Reader(&bytes).string(), Some(text));
        }

        #[test]
        fn torn_bytes_are_refused_not_read(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut reader = Reader(&bytes);
            while reader.string().is_some() {}
            let _ = (reader.u32(), reader.u16(), reader.u8());
        }
    }
}
