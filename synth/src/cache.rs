//! Photographs reduced before, kept between builds by the hash of their file.
//!
//! A file of the cache is named by the photograph's hash and by what the recipe makes of it, and carries a hash of its
//! own: one that was torn or changed counts as not there. Beside them it remembers whose hash is known. Several builds may
//! share a cache at the same time.

mod known;

use std::{
    fs::File,
    io::{Read, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use manifests::{Digest, Size, recipe::Recipe};

use crate::{ARITHMETIC, duplicates::Fingerprint, error::Error, mix::Model, pixels::Rgb8};

/// How a file of the cache is laid out.
const LAYOUT: u32 = 2;

/// A photograph as samples use it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Levels {
    /// The whole, upright photograph's size.
    pub(crate) size: Size,
    /// A reduced picture for each of the recipe's sizes.
    pub(crate) pictures: Vec<Rgb8>,
    /// Of the first of them.
    pub(crate) print: Option<Fingerprint>,
}

/// A folder of reduced photographs.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
    /// What tells this recipe's reductions from another's.
    kind: String,
}

impl Cache {
    /// Opens or creates a cache.
    pub(crate) fn open(folder: &Path, recipe: &Recipe, model: &Model) -> Result<Self, Error> {
        std::fs::create_dir_all(folder).map_err(Error::io(folder, "create"))?;
        let sizes: Vec<String> = recipe.sizes().iter().map(ToString::to_string).collect();
        let zoom = model.zoom.map(|zoom| zoom.high);
        let kind = Digest::of(format!("{LAYOUT} {ARITHMETIC} {sizes:?} {zoom:?}").as_bytes()).short(16);
        Ok(Self { folder: folder.to_path_buf(), kind })
    }

    fn place(&self, photograph: &Digest) -> PathBuf {
        self.folder.join(photograph.short(2)).join(format!("{photograph}-{}.reduced", self.kind))
    }

    /// What was kept of a photograph, if it is there and whole; its file is read into the memory of `bytes`.
    pub(crate) fn get(&self, photograph: &Digest, bytes: &mut Vec<u8>) -> Option<Levels> {
        bytes.clear();
        File::open(self.place(photograph)).ok()?.read_to_end(bytes).ok()?;
        let (hash, rest) = bytes.split_first_chunk::<32>()?;
        if Digest(*hash) != Digest::of(rest) {
            return None;
        }
        let mut rest = rest;
        let size = take_size(&mut rest)?;
        let (print, mut rest) = Fingerprint::take(rest)?;
        let mut pictures = Vec::new();
        while !rest.is_empty() {
            let Size { height, width } = take_size(&mut rest)?;
            let (height, width) = (height as usize, width as usize);
            let (data, more) = rest.split_at_checked(height * width * 3)?;
            pictures.push(Rgb8 { height, width, data: data.to_vec() });
            rest = more;
        }
        Some(Levels { size, pictures, print })
    }

    /// Keeps a reduced photograph; from any thread and any process.
    pub(crate) fn keep(&self, photograph: &Digest, levels: &Levels) -> Result<(), Error> {
        let place = self.place(photograph);
        let size = |size: Size| [size.height.to_le_bytes(), size.width.to_le_bytes()].concat();
        let mut body = size(levels.size);
        body.extend(Fingerprint::bytes(levels.print.as_ref()));
        for picture in &levels.pictures {
            body.extend(size(picture.size()));
            body.extend(&picture.data);
        }
        put(&place, &[&Digest::of(&body).0, &body])
    }
}

/// Writes a file of a cache.
fn put(place: &Path, parts: &[&[u8]]) -> Result<(), Error> {
    let folder = place.parent().unwrap_or(place);
    (|| {
        std::fs::create_dir_all(folder)?;
        let mut file = tempfile::Builder::new().prefix(".writing-").tempfile_in(folder)?;
        parts.iter().try_for_each(|part| file.write_all(part))?;
        // For everybody who shares the folder.
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
        // Not synced: what a crash tears has another hash.
        file.persist(place).map(drop).map_err(|e| e.error)
    })()
    .map_err(Error::io(place, "write"))
}

fn take_size(bytes: &mut &[u8]) -> Option<Size> {
    let mut number = || {
        let (first, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        Some(u32::from_le_bytes(*first))
    };
    Some(Size { height: number()?, width: number()? })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use manifests::recipe::Recipe;

    fn recipe(sizes: &str) -> Recipe {
        let text = format!(
            "version: 1\nname: a\nseed: 1\ncount: 1\nsizes: {sizes}\nsources: {{backgrounds: [{{folder: a, licence: b}}], \
             reflections: [{{folder: a, licence: b}}]}}"
        );
        manifests::io::parse_yaml(&text, Path::new("recipe.yaml")).unwrap()
    }

    #[test]
    fn what_is_kept_comes_back_unless_it_is_torn_or_of_another_recipe() {
        let folder = tempfile::tempdir().unwrap();
        let open = |sizes: &str| {
            let recipe = recipe(sizes);
            Cache::open(folder.path(), &recipe, &Model::of(&recipe)).unwrap()
        };
        let (cache, name) = (open("[40x60, 2x2]"), Digest::of(b"photograph"));
        let picture = |height, width| Rgb8 { height, width, data: (0..height * width * 3).map(|v| v as u8).collect() };
        let pictures = vec![picture(40, 60), picture(2, 2)];
        let print = Fingerprint::of(&pictures[0]).unwrap();
        assert!(print.is_some());
        let levels = Levels { size: Size { height: 4000, width: 6000 }, pictures, print };
        let get = |cache: &Cache| cache.get(&name, &mut Vec::new());
        assert_eq!(get(&cache), None);
        cache.keep(&name, &levels).unwrap();
        assert_eq!(get(&cache).as_ref(), Some(&levels));
        assert_eq!(get(&open("[40x60]")), None);
        let bytes = std::fs::read(cache.place(&name)).unwrap();
        std::fs::write(cache.place(&name), &bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(get(&cache), None);
        let plain = Levels { print: None, ..levels };
        cache.keep(&name, &plain).unwrap();
        assert_eq!(get(&cache), Some(plain));
    }
}
