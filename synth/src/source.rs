//! Which photographs a recipe's sources hold, in an order that no file system decides.

use std::path::{Path, PathBuf};

use manifests::{
    Interval, Name,
    plan::Subject,
    recipe::{Filter, Scenes, Source},
    session::{SHOTS_FILE, Shot},
};
use walkdir::WalkDir;

use crate::{
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
    pub(crate) file: PathBuf,
    pub(crate) scene: String,
    pub(crate) licence: String,
    pub(crate) credit: Option<String>,
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
        if !folder.is_dir() {
            return Err(refuse(format!("{} is not a folder", folder.display())));
        }
        let found = match source.session {
            Some(_) => shots(source, &folder, layer).map_err(|e| match e {
                Problem::Manifest(e) => Error::Manifest(e),
                Problem::Empty(message) => refuse(message),
            })?,
            None => photographs(source, &folder, &mut unusable),
        };
        if found.is_empty() {
            return Err(refuse(format!("{} holds no JPEG or PNG photograph", folder.display())));
        }
        listed.extend(found.into_iter().map(|(path, file, scene)| Listed {
            source: index as u32,
            path,
            file,
            scene,
            licence: source.licence.clone(),
            credit: source.credit.clone(),
        }));
    }
    Ok((listed, unusable))
}

/// Path below the source, file and scene of one photograph.
type Found = (String, PathBuf, String);

/// JPEG and PNG files at any depth, sorted by path; hidden ones are left out, symbolic links followed.
fn photographs(source: &Source, folder: &Path, unusable: &mut Vec<String>) -> Vec<Found> {
    let mut found = Vec::new();
    let visible = |e: &walkdir::DirEntry| e.depth() == 0 || !e.file_name().as_encoded_bytes().starts_with(b".");
    for entry in WalkDir::new(folder).follow_links(true).into_iter().filter_entry(visible) {
        let entry = match entry {
            Ok(entry) => entry,
            // A loop of links leads back to folders that are listed anyway.
            Err(e) if e.loop_ancestor().is_some() => continue,
            Err(e) => {
                let at = e.path().unwrap_or(folder).display().to_string();
                let why = e.io_error().map_or_else(|| e.to_string(), ToString::to_string);
                unusable.push(format!("{at}: cannot be listed ({why})"));
                continue;
            }
        };
        let known =
            entry.path().extension().is_some_and(|e| ["jpg", "jpeg", "png"].iter().any(|k| e.eq_ignore_ascii_case(k)));
        if !entry.file_type().is_file() || !known {
            continue;
        }
        let below = entry.path().strip_prefix(folder).unwrap_or(entry.path());
        let parts: Option<Vec<&str>> = below.iter().map(|p| p.to_str()).collect();
        let Some(parts) = parts else {
            unusable.push(format!("{}: has a name that is not UTF-8 text", entry.path().display()));
            continue;
        };
        let path = parts.join("/");
        let scene = match source.scenes {
            Scenes::File => path.clone(),
            Scenes::Folder => parts[..parts.len() - 1].join("/"),
        };
        found.push((path, entry.into_path(), scene));
    }
    found.sort();
    found
}

enum Problem {
    Manifest(manifests::Error),
    Empty(String),
}

/// A session's shots that pass the filter, in the journal's order made independent of it: sorted by path.
fn shots(source: &Source, folder: &Path, layer: Layer) -> Result<Vec<Found>, Problem> {
    let journal = folder.join(SHOTS_FILE);
    let shots = manifests::read_log::<Shot>(&journal).map_err(Problem::Manifest)?.rows;
    let all = shots.len();
    let filter = source.filter.clone().unwrap_or_default();
    let subject = filter.subject.unwrap_or(match layer {
        Layer::Background => Subject::Background,
        Layer::Reflection => Subject::Reflection,
    });
    let mut found: Vec<Found> = shots
        .into_iter()
        .filter(|shot| shot.subject == subject && passes(shot, &filter))
        .filter_map(|shot| {
            let file = shot.files.iter().find(|f| is_picture(f.path.as_str()))?;
            Some((file.path.to_string(), file.path.under(folder), format!("scene:{}", shot.scene)))
        })
        .collect();
    if found.is_empty() {
        let more = if source.filter.is_some() { " that passes the filter" } else { "" };
        let message = format!("none of the {all} shots in {} is a {subject} as JPEG or PNG{more}", journal.display());
        return Err(Problem::Empty(message));
    }
    found.sort();
    Ok(found)
}

fn is_picture(path: &str) -> bool {
    let end = path.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    ["jpg", "jpeg", "png"].contains(&end.as_str())
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
