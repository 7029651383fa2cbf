//! `capture coverage`: sessions counted against the shape of RID, the reflection image dataset of Wan et al., "CoRRN:
//! Cooperative Reflection Removal Network" (TPAMI 2019), section 3: 3,250 reflections, about 2,000 bright and 1,250
//! dark, indoor and outdoor, with several focal lengths, apertures and exposures.

use std::{collections::BTreeMap, path::PathBuf};

use manifests::{
    plan::{Light, Place, Subject},
    read_log,
    session::{SHOTS_FILE, Shot, UNPLANNED_FILE, Unplanned},
};
use serde::Serialize;

use crate::{Error, session};

/// Reflections in RID under bright and dark light.
const TARGET: [(Light, usize); 2] = [(Light::Bright, 2000), (Light::Dark, 1250)];
/// Different values of each setting below which a sweep does not vary it.
const VARIED: usize = 3;

/// Reflections by what RID varies.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct Coverage {
    reflections: usize,
    backgrounds: usize,
    mixtures: usize,
    scenes: usize,
    /// From the body's own button: counted as nothing else.
    unplanned: usize,
    light: BTreeMap<String, usize>,
    place: BTreeMap<String, usize>,
    focal_length_mm: BTreeMap<String, usize>,
    f_number: BTreeMap<String, usize>,
    shutter: BTreeMap<String, usize>,
    next: Vec<String>,
}

/// Counts the shots of several sessions.
pub(crate) fn count(shots: &[Shot], unplanned: usize) -> Coverage {
    let of = |subject| shots.iter().filter(|s| s.subject == subject).count();
    let reflections: Vec<&Shot> = shots.iter().filter(|s| s.subject == Subject::Reflection).collect();
    let tally = |name: &dyn Fn(&Shot) -> Option<String>| {
        let mut counts = BTreeMap::new();
        for name in reflections.iter().filter_map(|s| name(s)) {
            *counts.entry(name).or_insert(0) += 1;
        }
        counts
    };
    let scenes = tally(&|s| Some(s.scene.to_string())).len();
    let mut coverage = Coverage {
        reflections: reflections.len(),
        backgrounds: of(Subject::Background),
        mixtures: of(Subject::Mixture),
        scenes,
        unplanned,
        light: tally(&|s| Some(light(s.light).into())),
        place: tally(&|s| Some(place(s.place).into())),
        focal_length_mm: tally(&|s| s.read_back.focal_length_mm.map(|mm| format!("{:.0}", mm.get()))),
        f_number: tally(&|s| Some(s.read_back.f_number.to_string())),
        shutter: tally(&|s| Some(s.read_back.shutter.to_string())),
        next: Vec::new(),
    };
    coverage.next = next(&coverage);
    coverage
}

/// What to shoot next, the largest gap first.
fn next(c: &Coverage) -> Vec<String> {
    let has = |counts: &BTreeMap<String, usize>, name: &str| counts.get(name).copied().unwrap_or(0);
    let mut gaps: Vec<(usize, String)> = TARGET
        .iter()
        .map(|(l, target)| (target.saturating_sub(has(&c.light, light(*l))), light(*l)))
        .filter(|(gap, _)| *gap > 0)
        .map(|(gap, name)| (gap, format!("{gap} more {name} reflections")))
        .collect();
    gaps.sort_by_key(|(gap, _)| std::cmp::Reverse(*gap));
    let mut words: Vec<String> = gaps.into_iter().map(|(_, words)| words).collect();
    for p in [Place::Indoor, Place::Outdoor] {
        // RID gives no numbers; a tenth keeps either from being an afterthought.
        if has(&c.place, place(p)) * 10 < c.reflections.max(1) {
            words.push(format!("scenes that are {}", place(p)));
        }
    }
    for (what, counts) in
        [("focal lengths", &c.focal_length_mm), ("f-numbers", &c.f_number), ("shutter speeds", &c.shutter)]
    {
        if counts.len() < VARIED {
            words.push(format!("other {what}: there are {}", counts.len()));
        }
    }
    words
}

/// Reads sessions and reports.
pub(crate) fn report(folders: &[PathBuf], json: bool) -> Result<(), Error> {
    let (mut shots, mut unplanned) = (Vec::new(), 0);
    for folder in folders {
        session::expect(folder)?;
        shots.extend(read_log::<Shot>(&folder.join(SHOTS_FILE))?.rows);
        unplanned += read_log::<Unplanned>(&folder.join(UNPLANNED_FILE))?.rows.len();
    }
    let coverage = count(&shots, unplanned);
    if json {
        manifests::say!("{}", serde_json::to_string(&coverage).unwrap_or_default());
        return Ok(());
    }
    let total: usize = TARGET.iter().map(|t| t.1).sum();
    let of = |n: usize, target: usize| format!("{n} of {target} ({:.0} %)", 100.0 * n as f64 / target as f64);
    manifests::say!("reflections     {}", of(coverage.reflections, total));
    for (l, target) in TARGET {
        manifests::say!("  {:<13} {}", light(l), of(coverage.light.get(light(l)).copied().unwrap_or(0), target));
    }
    manifests::say!("scenes          {}", coverage.scenes);
    manifests::say!("backgrounds     {}", coverage.backgrounds);
    manifests::say!("mixtures        {}", coverage.mixtures);
    manifests::say!("unplanned       {} from the body's own button, counted nowhere else", coverage.unplanned);
    for (what, counts) in [
        ("place", &coverage.place),
        ("focal length", &coverage.focal_length_mm),
        ("f-number", &coverage.f_number),
        ("shutter", &coverage.shutter),
    ] {
        let text: Vec<String> = sorted(counts).into_iter().map(|(name, n)| format!("{name}: {n}")).collect();
        manifests::say!("{what:<15} {}", text.join(", "));
    }
    match coverage.next.as_slice() {
        [] => manifests::say!("next            nothing: the shape of RID is reached"),
        next => manifests::say!("next            {}", next.join("; ")),
    }
    Ok(())
}

/// Counts by value where names are numbers or fractions, else by name.
fn sorted(counts: &BTreeMap<String, usize>) -> Vec<(&str, usize)> {
    let value = |name: &str| {
        let (n, d) = name.split_once('/').unwrap_or((name, "1"));
        n.parse::<f64>().ok().zip(d.parse::<f64>().ok()).map_or(0.0, |(n, d)| n / d)
    };
    let mut all: Vec<(&str, usize)> = counts.iter().map(|(k, n)| (k.as_str(), *n)).collect();
    all.sort_by(|a, b| value(a.0).total_cmp(&value(b.0)).then(a.0.cmp(b.0)));
    all
}

fn light(l: Light) -> &'static str {
    match l {
        Light::Bright => "bright",
        Light::Dark => "dark",
    }
}

fn place(p: Place) -> &'static str {
    match p {
        Place::Indoor => "indoor",
        Place::Outdoor => "outdoor",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shots(n: usize, light: &str, place: &str, varied: usize) -> Vec<Shot> {
        let one = |i: usize| {
            let k = i % varied;
            let settings = serde_json::json!({ "shutter": format!("1/{}", 60 + k), "f_number": 8 + k, "iso": 100,
                                               "focal_length_mm": 24 + k });
            serde_json::from_value(serde_json::json!({
                "index": i, "key": "k", "scene": format!("{place}-{light}"), "place": place, "light": light,
                "subject": "reflection", "requested": settings, "read_back": settings, "files": [], "stored": "now",
            }))
            .unwrap()
        };
        (0..n).map(one).collect()
    }

    #[test]
    fn what_is_missing_is_said_the_largest_gap_first_until_nothing_is() {
        let some = [shots(1990, "bright", "indoor", 3), shots(1000, "dark", "indoor", 3)].concat();
        let coverage = count(&some, 2);
        assert_eq!((coverage.reflections, coverage.scenes, coverage.unplanned), (2990, 2, 2));
        let next = ["250 more dark reflections", "10 more bright reflections", "scenes that are outdoor"];
        assert_eq!(coverage.next, next);
        let all = [shots(2000, "bright", "indoor", 3), shots(1250, "dark", "outdoor", 3)].concat();
        assert_eq!(count(&all, 0).next, [""; 0]);
        let same = [shots(2000, "bright", "indoor", 1), shots(1250, "dark", "outdoor", 1)].concat();
        let next = ["focal lengths", "f-numbers", "shutter speeds"].map(|what| format!("other {what}: there are 1"));
        assert_eq!(count(&same, 0).next, next);
    }
}
