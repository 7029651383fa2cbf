//! The hashes of photographs that are as they were when they were last read: what was read once is not read again only to
//! see that it has not changed, which for thousands of photographs takes longer than mixing them.
//!
//! One small file a photograph, named by its place, so that a photograph that changes takes the file over.

use std::{fs::File, io::Read, path::PathBuf};

use manifests::Digest;

use super::{Cache, put};
use crate::{
    error::Error,
    source::{At, Stamp},
};

/// A hash of the rest, a stamp, the photograph's hash.
const LENGTH: usize = 32 + 48 + 32;

impl Cache {
    /// The hash of a photograph whose file has the `stamp` that it had when it was read.
    pub(crate) fn known(&self, at: &At, stamp: &Stamp) -> Option<Digest> {
        let mut bytes = [0; LENGTH];
        File::open(self.place_of(at)?).ok()?.read_exact(&mut bytes).ok()?;
        let (hash, rest) = bytes.split_first_chunk()?;
        let (then, photograph) = rest.split_first_chunk()?;
        let same = Digest(*hash) == Digest::of(rest) && *then == stamp.bytes();
        same.then_some(Digest(*photograph.first_chunk()?))
    }

    /// Remembers it; from any thread and any process.
    pub(crate) fn remember(&self, at: &At, stamp: &Stamp, photograph: &Digest) -> Result<(), Error> {
        let Some(place) = self.place_of(at) else { return Ok(()) };
        let body = [&stamp.bytes()[..], &photograph.0].concat();
        put(&place, &[&Digest::of(&body).0, &body])
    }

    fn place_of(&self, at: &At) -> Option<PathBuf> {
        let name = Digest::of(&at.key()?);
        Some(self.folder.join("known").join(name.short(2)).join(name.short(32)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_photograph_is_known_until_its_file_changes() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache { folder: folder.path().join("cache"), kind: String::new() };
        let photograph = folder.path().join("a.jpg");
        std::fs::write(&photograph, b"photograph").unwrap();
        let (at, other) = (At::file(photograph.clone()), At::file(folder.path().join("b.jpg")));
        let (stamp, hash) = (at.stamp().unwrap(), Digest::of(b"photograph"));
        assert_eq!(cache.known(&at, &stamp), None);
        cache.remember(&at, &stamp, &hash).unwrap();
        assert_eq!(cache.known(&at, &stamp), Some(hash));
        assert_eq!(cache.known(&other, &stamp), None);
        // Longer than any tick of a file system that tests run on.
        std::thread::sleep(Duration::from_millis(50));
        std::fs::write(&photograph, b"phonograph").unwrap();
        assert_eq!(cache.known(&at, &at.stamp().unwrap()), None);

        let place = cache.place_of(&at).unwrap();
        let whole = std::fs::read(&place).unwrap();
        for at_byte in 0..LENGTH {
            let mut torn = whole.clone();
            torn[at_byte] ^= 1;
            std::fs::write(&place, torn).unwrap();
            assert_eq!(cache.known(&at, &stamp), None, "byte {at_byte}");
        }
        std::fs::write(&place, &whole[..LENGTH - 1]).unwrap();
        assert_eq!(cache.known(&at, &stamp), None);
    }
}
