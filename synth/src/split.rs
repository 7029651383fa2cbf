//! Which scenes, and which samples, belong to training, validation and test.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use manifests::{
    Seed,
    dataset::{SourceImage, Split},
    recipe::Splits,
};

/// Every split with its fraction, in a fixed order.
fn fractions(splits: &Splits) -> [(Split, f64); 3] {
    [(Split::Train, splits.train.get()), (Split::Validation, splits.validation.get()), (Split::Test, splits.test.get())]
}

/// Gives every photograph its scene's split.
///
/// Scenes are shuffled by a hash of seed and name, so adding a photograph moves few others, and shared out by largest
/// remainder; each split with a fraction above 0 gets a scene of each layer.
///
/// # Errors
/// The layer's key and a sentence, where a layer has too few scenes for that.
pub(crate) fn assign(
    backgrounds: &mut [SourceImage],
    reflections: &mut [SourceImage],
    splits: &Splits,
    seed: Seed,
) -> Result<(), (&'static str, String)> {
    let names = |images: &[SourceImage]| images.iter().map(|s| s.scene.clone()).collect::<BTreeSet<_>>();
    let (behind, before) = (names(backgrounds), names(reflections));
    let both: Vec<&String> = behind.intersection(&before).collect();
    let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).cloned().collect::<Vec<_>>();
    let (only_behind, only_before) = (only(&behind, &before), only(&before, &behind));

    let mut of_scene = BTreeMap::new();
    let classes = [both, only_behind.iter().collect(), only_before.iter().collect()];
    let mut classes = classes.map(|class: Vec<&String>| {
        let mut shuffled: Vec<(blake3::Hash, &String)> =
            class.into_iter().map(|scene| (blake3::hash(format!("{seed}/{scene}").as_bytes()), scene)).collect();
        shuffled.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
        shuffled.into_iter().map(|(_, scene)| scene.clone()).collect::<VecDeque<_>>()
    });
    serve_in_need(&mut classes, splits, &mut of_scene);
    for mut scenes in classes {
        for (split, count) in shares(scenes.len(), splits) {
            of_scene.extend(scenes.drain(..count).map(|scene| (scene, split)));
        }
    }
    for (key, images, scenes) in
        [("sources.backgrounds", backgrounds, behind.len()), ("sources.reflections", reflections, before.len())]
    {
        for image in images.iter_mut() {
            image.split = of_scene[&image.scene];
        }
        for (split, fraction) in fractions(splits) {
            if fraction > 0.0 && !images.iter().any(|i| i.split == split) {
                let message = format!(
                    "{scenes} {} leave none for the split `{split}`; add scenes or set `splits.{split}: 0`",
                    if scenes == 1 { "scene" } else { "scenes" }
                );
                return Err((key, message));
            }
        }
    }
    Ok(())
}

/// Where scenes that show both layers are fewer than the splits, a split may get none of them: each split in turn gets one, or
/// one of each layer, while there are some. Of scenes in plenty [`shares`] sees to that.
fn serve_in_need(classes: &mut [VecDeque<String>; 3], splits: &Splits, of_scene: &mut BTreeMap<String, Split>) {
    let asked = fractions(splits).into_iter().filter(|(_, fraction)| *fraction > 0.0).map(|(split, _)| split);
    let count = asked.clone().count();
    let [both, behind, before] = classes;
    if both.is_empty() || both.len() >= count {
        return;
    }
    for split in asked {
        match both.pop_front() {
            Some(scene) => of_scene.extend([(scene, split)]),
            None => of_scene
                .extend([&mut *behind, &mut *before].into_iter().filter_map(VecDeque::pop_front).map(|s| (s, split))),
        }
    }
}

/// How many of `n` scenes each split gets: largest remainder, and at least one each while there are enough.
fn shares(n: usize, splits: &Splits) -> [(Split, usize); 3] {
    let fractions = fractions(splits);
    let mut counts = fractions.map(|(_, f)| ((f * n as f64).floor() as usize).max(usize::from(f > 0.0)));
    // Too many through the least of one: the largest gives; of equal ones the last, training being served first.
    while counts.iter().sum::<usize>() > n {
        let most = counts.iter().copied().max().unwrap_or(0);
        match counts.iter().rposition(|c| *c == most) {
            Some(i) => counts[i] -= 1,
            None => break,
        }
    }
    // The rest goes to whoever is furthest behind.
    while counts.iter().sum::<usize>() < n {
        let behind = |i: usize| fractions[i].1 * n as f64 - counts[i] as f64;
        let next =
            (0..3).filter(|i| fractions[*i].1 > 0.0).max_by(|a, b| behind(*a).total_cmp(&behind(*b)).then(b.cmp(a)));
        counts[next.unwrap_or(0)] += 1;
    }
    [0, 1, 2].map(|i| (fractions[i].0, counts[i]))
}

/// The split of sample `index`: after any number of samples each split has its fraction of them, rounded.
pub(crate) fn of_sample(index: u64, splits: &Splits) -> Split {
    let (test, validation) = (splits.test.get(), splits.validation.get());
    // How many of the first n are taken by a fraction.
    let taken = |n: u64, fraction: f64| (n as f64 * fraction + 0.5).floor() as u64;
    if taken(index + 1, test) > taken(index, test) {
        return Split::Test;
    }
    let rest = index - taken(index, test).min(index);
    let fraction = if test < 1.0 { validation / (1.0 - test) } else { 0.0 };
    if taken(rest + 1, fraction) > taken(rest, fraction) { Split::Validation } else { Split::Train }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::scenes::tests::image;
    use manifests::Unit;
    use proptest::prelude::*;

    fn splits(train: f64, validation: f64, test: f64) -> Splits {
        let unit = |v| Unit::new(v).unwrap();
        Splits { train: unit(train), validation: unit(validation), test: unit(test) }
    }
    fn images(layer: &str, n: usize) -> Vec<SourceImage> {
        (0..n).map(|i| image(&format!("{layer}{i}"), &format!("{layer}{i}"))).collect()
    }

    #[test]
    fn small_sets_serve_every_split() {
        let count = |n| shares(n, &splits(0.8, 0.1, 0.1)).map(|(_, c)| c);
        assert_eq!(
            [count(1), count(2), count(3), count(10), count(25)],
            [[1, 0, 0], [1, 1, 0], [1, 1, 1], [8, 1, 1], [20, 3, 2]]
        );
    }

    #[test]
    fn too_few_scenes_are_refused_by_name() {
        let (mut b, mut r) = (images("b", 5), images("r", 2));
        let (key, message) = assign(&mut b, &mut r, &splits(0.8, 0.1, 0.1), Seed(1)).unwrap_err();
        assert_eq!(key, "sources.reflections");
        assert_eq!(message, "2 scenes leave none for the split `test`; add scenes or set `splits.test: 0`");
    }

    #[test]
    fn equal_scenes_never_part() {
        for seed in 0..50 {
            let (mut b, mut r) = (images("b", 12), images("r", 12));
            b[5].scene = "hall".into();
            r[5].scene = "hall".into();
            assign(&mut b, &mut r, &splits(0.4, 0.3, 0.3), Seed(seed)).unwrap();
            assert_eq!(b[5].split, r[5].split);
        }
    }

    /// Of c scenes in both layers, a in one and b in the other, three splits can be served when c + min(a, b) is 3.
    #[test]
    fn whatever_can_be_split_is() {
        for (both, behind, before) in (0..64).map(|i| (i / 16, i / 4 % 4, i % 4)) {
            let shared = || images("both", both);
            let mut b = [shared(), images("b", behind)].concat();
            let mut r = [shared(), images("r", before)].concat();
            let outcome = assign(&mut b, &mut r, &splits(0.8, 0.1, 0.1), Seed(4));
            assert_eq!(outcome.is_ok(), both + behind.min(before) >= 3, "{both} {behind} {before}: {outcome:?}");
            assert!(outcome.is_err() || b[..both].iter().zip(&r).all(|(b, r)| b.split == r.split));
        }
    }

    proptest! {
        #[test]
        fn any_number_of_samples_has_the_fractions(parts in [0u32..10, 0u32..10, 1u32..10], n in 1u64..3000) {
            let sum = f64::from(parts.iter().sum::<u32>());
            let f = parts.map(|p| f64::from(p) / sum);
            let splits = splits(f[0], f[1], f[2]);
            let mut counts = [0u64; 3];
            (0..n).for_each(|i| counts[of_sample(i, &splits) as usize] += 1);
            for (count, fraction) in counts.iter().zip(f) {
                prop_assert!((*count as f64 - fraction * n as f64).abs() <= 1.5, "{counts:?} of {n}, {f:?}");
                prop_assert!(fraction > 0.0 || *count == 0);
            }
        }
    }
}
