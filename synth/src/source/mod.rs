//! Which photographs a recipe's sources hold, in an order that no file system decides.

mod at;
mod folder;
mod list;
mod stamp;
mod tar;

use std::{collections::HashSet, path::Path};

use manifests::{
    Interval, Name,
    plan::Subject,
    recipe::{Filter, Scenes, Source},
    session::{SHOTS_FILE, Shot},
};

pub(crate) use at::{At, Finder};
pub(crate) use folder::Glob;
pub(crate) use stamp::Stamp;

use crate::{
    decode::{RAW_SUFFIXES, SUFFIXES},
    error::Error,
    recipe::{Layer, Opened, place},
};

/// A photograph that a source names; not yet opened.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    /// Place in the layer's list of sources.
    pub(crate) source: u32,
    /// Path below the source's folder, `/` between parts.
    pub(crate) path: String,
    pub(crate) at: At,
    pub(crate) scene: String,
    pub(crate) licence: String,
    pub(crate) credit: Option<String>,
}

/// One photograph of a source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    /// Path below the source's folder.
    path: String,
    at: At,
    /// The scene, where the source itself says it.
    scene: Option<String>,
    /// The licence, where the source itself says it.
    licence: Option<String>,
}

/// Why a source cannot be used.
enum Problem {
    /// A file of its own is at fault.
    File(Error),
    /// It is, at its line in the recipe.
    Source(String),
}

/// Every picture below a folder with its path there, in order, and a sentence for each that cannot be used.
pub(crate) fn in_folder(folder: &Path) -> (Vec<(String, At)>, Vec<String>) {
    let mut unusable = Vec::new();
    // Without a pattern nothing but names can be wrong.
    let mut found = folder::photographs(None, folder, &SUFFIXES, &mut unusable).unwrap_or_default();
    found.sort();
    (found.into_iter().map(|one| (one.path, one.at)).collect(), unusable)
}

/// The photographs of a layer, and a sentence for each name that cannot be used.
///
/// # Errors
/// A source that is missing, cannot be read or holds no photograph: at its line in the recipe.
pub(crate) fn list(opened: &Opened, layer: Layer) -> Result<(Vec<Listed>, Vec<String>), Error> {
    let (mut listed, mut unusable) = (Vec::new(), Vec::new());
    for (index, source) in opened.sources(layer).iter().enumerate() {
        let folder = place(source, &opened.root);
        let refuse = |message: String| opened.refuse(layer, index, message);
        let told = unusable.len();
        if !folder.is_dir() {
            return Err(refuse(format!("{} is not a folder", folder.display())));
        }
        let found = if source.session.is_some() {
            shots(source, &folder, layer)
        } else if let Some(pattern) = &source.tar {
            tar::members(pattern, &folder, &mut unusable)
        } else if let Some(file) = &source.list {
            list::photographs(&opened.root.join(file), &folder, &mut unusable)
        } else {
            folder::photographs(source.glob.as_deref(), &folder, &SUFFIXES, &mut unusable)
        };
        let mut found = found.map_err(|problem| match problem {
            Problem::File(e) => e,
            Problem::Source(message) => refuse(message),
        })?;
        if found.is_empty() {
            let why = unusable.get(told).map(|why| format!(" that can be used: {why}")).unwrap_or_default();
            let message = format!("{} holds no JPEG, PNG, TIFF, WebP, NEF or DNG photograph{why}", folder.display());
            return Err(refuse(message));
        }
        found.sort();
        // Of an archive's members of one name the last counts, as to tar itself.
        found.dedup_by(|later, kept| {
            let same = later.path == kept.path;
            if same {
                std::mem::swap(later, kept);
            }
            same
        });
        drop_raw_of_developed(&mut found);
        let name = format!("{}[{index}]", layer.key());
        listed.extend(found.into_iter().map(|one| Listed {
            source: index as u32,
            scene: one.scene.unwrap_or_else(|| scene(&name, &one.path, source.scenes)),
            path: one.path,
            at: one.at,
            licence: one.licence.unwrap_or_else(|| source.licence.clone()),
            credit: source.credit.clone(),
        }));
    }
    Ok((listed, unusable))
}

/// The scene of a photograph; `name` tells this source's from those of another.
fn scene(name: &str, path: &str, scenes: Scenes) -> String {
    match (scenes, path.rsplit_once('/')) {
        (Scenes::File, _) => format!("{name}/{path}"),
        (Scenes::Folder, Some((folder, _))) => format!("{name}/{folder}"),
        (Scenes::Folder, None) => format!("{name}/"),
    }
}

/// Whether a name ends as photographs' names do.
fn is_picture(path: &str) -> bool {
    ends_with(path, &SUFFIXES)
}

/// Whether a name ends as RAW photographs' names do.
fn is_raw(path: &str) -> bool {
    ends_with(path, &RAW_SUFFIXES)
}

fn ends_with(path: &str, suffixes: &[&str]) -> bool {
    path.rsplit_once('.').is_some_and(|(_, end)| suffixes.iter().any(|k| end.eq_ignore_ascii_case(k)))
}

/// `DSC_0001.NEF` beside `DSC_0001.JPG` is one photograph; the camera's own development of it is taken.
fn drop_raw_of_developed(found: &mut Vec<Found>) {
    let stem = |path: &str| path.rsplit_once('.').map_or(path, |(stem, _)| stem).to_owned();
    let developed: HashSet<String> = found.iter().filter(|f| !is_raw(&f.path)).map(|f| stem(&f.path)).collect();
    found.retain(|f| !is_raw(&f.path) || !developed.contains(&stem(&f.path)));
}

/// The folder that a pattern starts in, and the pattern below it: `photos/2*/*.jpg` is `2*/*.jpg` below `photos`.
pub(crate) fn split_pattern(pattern: &str) -> (&str, &str) {
    let wild = pattern.find(['*', '?', '[']).unwrap_or(pattern.len());
    match pattern[..wild].rfind('/') {
        Some(0) => ("/", &pattern[1..]),
        Some(at) => (&pattern[..at], &pattern[at + 1..]),
        None => (".", pattern),
    }
}

/// A session's shots that pass the filter.
fn shots(source: &Source, folder: &Path, layer: Layer) -> Result<Vec<Found>, Problem> {
    let journal = folder.join(SHOTS_FILE);
    let shots = manifests::read_log::<Shot>(&journal).map_err(|e| Problem::File(e.into()))?.rows;
    let all = shots.len();
    let filter = source.filter.clone().unwrap_or_default();
    let subject = filter.subject.unwrap_or(match layer {
        Layer::Background => Subject::Background,
        Layer::Reflection => Subject::Reflection,
    });
    let found: Vec<Found> = shots
        .into_iter()
        .filter(|shot| shot.subject == subject && passes(shot, &filter))
        .filter_map(|shot| {
            // Of the two files of a release, the camera's own development.
            let pictures = shot.files.iter().filter(|f| is_picture(f.path.as_str()));
            let file = pictures.min_by_key(|f| is_raw(f.path.as_str()))?;
            Some(Found {
                path: file.path.to_string(),
                at: At::file(file.path.under(folder)),
                scene: Some(format!("scene:{}", shot.scene)),
                licence: None,
            })
        })
        .collect();
    if found.is_empty() {
        let more = if source.filter.is_some() { " that passes the filter" } else { "" };
        let message = format!(
            "none of the {all} shots in {} is a {subject} as JPEG, PNG, TIFF, WebP, NEF or DNG{more}",
            journal.display()
        );
        return Err(Problem::Source(message));
    }
    Ok(found)
}

/// Whether a shot passes every part of a filter but the subject.
fn passes(shot: &Shot, filter: &Filter) -> bool {
    let within = |range: Option<Interval>, value: Option<f64>| {
        range.is_none_or(|r| value.is_some_and(|v| (r.low..=r.high).contains(&v)))
    };
    let settings = shot.exif.unwrap_or(shot.read_back);
    let focal_length = settings.focal_length_mm.or(shot.read_back.focal_length_mm);
    filter.place.is_none_or(|p| p == shot.place)
        && filter.light.is_none_or(|l| l == shot.light)
        && within(filter.f_number, Some(settings.f_number.get()))
        && within(filter.focal_length_mm, focal_length.map(|f| f.get()))
        && filter.tags.iter().all(|tag: &Name| shot.tags.contains(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_starts_where_its_first_wildcard_lies() {
        let cases = [
            ("photos/2*/*.jpg", ("photos", "2*/*.jpg")),
            ("*.png", (".", "*.png")),
            ("/data/a/b?.tif", ("/data/a", "b?.tif")),
            ("/x*.jpg", ("/", "x*.jpg")),
            ("shards/one.tar", ("shards", "one.tar")),
        ];
        cases.iter().for_each(|(pattern, parts)| assert_eq!(split_pattern(pattern), *parts));
    }
}
