//! Which photographs show one scene, once copies are known: equal files, and near-duplicates.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
};

use manifests::dataset::SourceImage;

use crate::{
    duplicates::{Fingerprint, ROWS, pairs_of},
    error::Error,
    progress::Progress,
};

/// Gives scenes that share a photograph, as equal bytes or as a near-duplicate, one name: that of the first. `prints` are those
/// of `images`. Gives how many scenes took another's name because of near-duplicates.
///
/// # Errors
/// `stop`.
pub(crate) fn join(
    images: &mut [&mut SourceImage],
    prints: &[Option<Fingerprint>],
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<usize, Error> {
    let mut names: Vec<String> = Vec::new();
    let mut places = HashMap::new();
    let of: Vec<usize> = images
        .iter()
        .map(|image| {
            *places.entry(image.scene.clone()).or_insert_with(|| {
                names.push(image.scene.clone());
                names.len() - 1
            })
        })
        .collect();
    let mut joined = Joined((0..names.len()).collect());
    let mut first = HashMap::new();
    for (i, image) in images.iter().enumerate() {
        let earlier = *first.entry(image.blake3).or_insert(i);
        joined.unite(of[earlier], of[i]);
    }
    let mut alike = 0;
    progress.begin("comparing photographs", images.len() as u64);
    for start in (0..prints.len()).step_by(ROWS) {
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        let rows = start..prints.len().min(start + ROWS);
        let scene: Vec<usize> = of.iter().map(|place| joined.first(*place)).collect();
        progress.step(rows.len() as u64);
        // What is joined by then need not be found again.
        for (i, j, _) in pairs_of(rows, prints, |i, j| scene[i] != scene[j]) {
            alike += usize::from(joined.unite(of[i], of[j]));
        }
    }
    progress.end();
    for (image, place) in images.iter_mut().zip(&of) {
        image.scene.clone_from(&names[joined.first(*place)]);
    }
    Ok(alike)
}

/// Sets of scenes, each a tree whose root is its first (union-find; Tarjan, J. ACM 1975).
struct Joined(Vec<usize>);

impl Joined {
    /// The first scene of a scene's set.
    fn first(&mut self, mut scene: usize) -> usize {
        while self.0[scene] != scene {
            self.0[scene] = self.0[self.0[scene]];
            scene = self.0[scene];
        }
        scene
    }

    /// Makes one set of two; whether they were two.
    fn unite(&mut self, a: usize, b: usize) -> bool {
        let (a, b) = (self.first(a), self.first(b));
        self.0[a.max(b)] = a.min(b);
        a != b
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::pixels::Rgb8;
    use manifests::{Digest, Size, dataset::Split};

    /// A photograph of a scene, whose file holds `bytes`.
    pub(crate) fn image(scene: &str, bytes: &str) -> SourceImage {
        SourceImage {
            source: 0,
            path: format!("{scene}.jpg"),
            blake3: Digest::of(bytes.as_bytes()),
            bytes: 1,
            size: Size { height: 1, width: 1 },
            scene: scene.into(),
            split: Split::Train,
            licence: String::new(),
            credit: None,
        }
    }

    fn joined(images: &mut [SourceImage], prints: &[Option<Fingerprint>]) -> (usize, Vec<String>) {
        let mut all: Vec<&mut SourceImage> = images.iter_mut().collect();
        let alike = join(&mut all, prints, &Progress::silent(), &AtomicBool::new(false)).unwrap();
        (alike, images.iter().map(|image| image.scene.clone()).collect())
    }

    #[test]
    fn equal_files_join_scenes_through_several_others() {
        // d and b share a file, b and c another, c and a a third.
        let mut images = [("d", "1"), ("e", "5"), ("b", "1"), ("b", "2"), ("c", "2"), ("c", "3"), ("a", "3")]
            .map(|(scene, bytes)| image(scene, bytes));
        let prints = vec![None; images.len()];
        let (alike, scenes) = joined(&mut images, &prints);
        assert_eq!((alike, scenes.concat().as_str()), (0, "deddddd"));
    }

    /// As many copies as would make eight million pairs.
    #[test]
    fn many_copies_are_joined_one_by_one() {
        let data = (0..96 * 160).flat_map(|i| [(i % 160 + i / 160) as u8; 3]).collect();
        let print = Fingerprint::of(&Rgb8 { height: 96, width: 160, data }).unwrap();
        assert!(print.is_some());
        let mut images: Vec<SourceImage> = (0..4_000).map(|i| image(&format!("{i}"), &format!("{i}"))).collect();
        images.push(image("other", "other"));
        let mut prints = vec![print; 4_000];
        prints.push(None);
        let (alike, scenes) = joined(&mut images, &prints);
        assert_eq!(alike, 3_999);
        assert!(scenes[..4_000].iter().all(|scene| scene == "0") && scenes[4_000] == "other");
    }
}
